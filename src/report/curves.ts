import { LineChart, type LineSeriesOption } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { axisStyle, CHART_HEIGHT, CHART_WIDTH, drawChart, titleStyle } from './chart.ts';
import { COLORS, FONT_SIZE, TEXT } from './style.ts';

echarts.use([LineChart, GridComponent, LegendComponent, TitleComponent]);

/** A curve of a chart. */
export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Curves of one group share a colour. Default: the name. */
  readonly group?: string;
  readonly dashed?: boolean;
}

/** Curves that share a pair of axes. */
export interface Panel {
  readonly title: string;
  readonly curves: readonly Curve[];
}

/** What stands around the panels, and how large they are. */
export interface CurvesOptions {
  /** Above all panels. */
  readonly title?: string;
  readonly xName: string;
  readonly width?: number;
  readonly height?: number;
}

/** Up to this many points are marked, so that one or two can be seen. */
const MARKED_POINTS = 40;

/** Height of a row of the legend, and the room between what is in it, in pixels. */
const LEGEND_ROW = 24;
const LEGEND_GAP = 24;

/** Draws panels side by side, curves of the same group in the same colour, as an SVG file. */
export function drawCurves(panels: readonly Panel[], options: CurvesOptions): string {
  const { title, xName, width = 960, height = 400 } = options;
  const curves = panels.flatMap((panel) => panel.curves);
  const names = drawnNames(curves);
  const groups = [...new Set(curves.map(({ name, group = name }) => group))];
  const panelWidth = width / panels.length;
  const titleHeight = title === undefined ? 0 : 30;
  const rows = legendRows(names, width);
  const legendTop = titleHeight + (panels.length > 1 ? 4 : 32);
  const panelTop = panels.length > 1 ? legendTop + LEGEND_ROW * rows.length + 4 : 6;
  const gridTop = panels.length > 1 ? panelTop + 30 : legendTop + LEGEND_ROW * rows.length + 10;
  const series: LineSeriesOption[] = panels.flatMap((panel, i) =>
    panel.curves.filter(isDrawn).map(({ name, points, group = name, dashed }) => ({
      type: 'line',
      name,
      xAxisIndex: i,
      yAxisIndex: i,
      data: points.map(([x, y]) => [x, y]),
      showSymbol: points.length <= MARKED_POINTS,
      symbol: 'circle',
      symbolSize: 5,
      color: COLORS[groups.indexOf(group) % COLORS.length],
      lineStyle: { width: 2, type: dashed ? 'dashed' : 'solid' },
    })),
  );
  const option = {
    title: [
      ...(title === undefined ? [] : [{ text: title, left: 'center', top: 6, textStyle: titleStyle }]),
      ...panels.map((panel, i) => ({
        text: panel.title,
        left: panelWidth * (i + 0.5),
        top: panelTop,
        textAlign: 'center' as const,
        textStyle: titleStyle,
      })),
    ],
    legend: rows.map((data, row) => ({
      data,
      top: legendTop + LEGEND_ROW * row,
      itemWidth: 30,
      itemGap: LEGEND_GAP,
      textStyle: { color: TEXT, fontSize: FONT_SIZE },
    })),
    grid: panels.map((_, i) => ({
      left: panelWidth * i + 56,
      width: panelWidth - 56 - 20,
      top: gridTop,
      bottom: 54,
    })),
    xAxis: panels.map((_, gridIndex) => ({
      ...axisStyle,
      gridIndex,
      type: 'value',
      name: xName,
      nameGap: 30,
    })),
    yAxis: panels.map((_, gridIndex) => ({ ...axisStyle, gridIndex, type: 'value', scale: true })),
    series,
  };
  return drawChart(option, { width, height });
}

export interface LineChartOptions extends Panel {
  readonly xName: string;
}

/** Draws curves over one pair of axes as an SVG file. */
export function lineChart({ xName, ...panel }: LineChartOptions): string {
  const rows = legendRows(drawnNames(panel.curves), CHART_WIDTH).length;
  const height = CHART_HEIGHT + LEGEND_ROW * Math.max(0, rows - 1);
  return drawCurves([panel], { xName, width: CHART_WIDTH, height });
}

/** A curve without points isn't drawn, but takes a colour: others have theirs whether it is there or not. */
const isDrawn = ({ points }: Curve): boolean => points.length > 0;

const drawnNames = (curves: readonly Curve[]): string[] => [
  ...new Set(curves.filter(isDrawn).map(({ name }) => name)),
];

/** Names in rows that fit a width. */
function legendRows(names: readonly string[], width: number): string[][] {
  const rows: string[][] = [];
  let room = 0;
  for (const name of names) {
    const needed = 35 + 7.5 * name.length + LEGEND_GAP;
    if (rows.length === 0 || needed > room) {
      rows.push([]);
      room = width;
    }
    rows[rows.length - 1].push(name);
    room -= needed;
  }
  return rows;
}
