import { LineChart, type LineSeriesOption } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

echarts.use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** Curves that share a pair of axes. */
export interface Panel {
  readonly title: string;
  readonly curves: readonly Curve[];
}

export interface CurvesOptions {
  readonly title: string;
  readonly xName: string;
}

const WIDTH = 960;
const HEIGHT = 400;
/** Greys and hues that stand out on white and on black alike: the picture has no background of its own. */
const TEXT = '#808080';
const LINES = 'rgba(128, 128, 128, 0.33)';
const COLORS = ['#3b82f6', '#d97706', '#16a34a', '#c026d3'];
/** Up to this many points are marked, so that one or two can be seen. */
const MARKED_POINTS = 40;

/** Draws panels side by side, curves of the same name in the same colour, as an SVG file. */
export function drawCurves(panels: readonly Panel[], { title, xName }: CurvesOptions): string {
  const names = [...new Set(panels.flatMap(({ curves }) => curves.map(({ name }) => name)))];
  const share = 100 / panels.length;
  const axis = {
    axisLabel: { color: TEXT },
    axisLine: { lineStyle: { color: TEXT } },
    splitLine: { lineStyle: { color: LINES } },
  };
  const series: LineSeriesOption[] = panels.flatMap(({ curves }, panel) =>
    curves.map(({ name, points }) => ({
      type: 'line',
      name,
      xAxisIndex: panel,
      yAxisIndex: panel,
      data: points.map(([x, y]) => [x, y]),
      showSymbol: points.length <= MARKED_POINTS,
      symbol: 'circle',
      symbolSize: 5,
      color: COLORS[names.indexOf(name) % COLORS.length],
      lineStyle: { width: 2 },
    })),
  );
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  chart.setOption({
    animation: false,
    title: [
      { text: title, left: 'center', top: 8, textStyle: { color: TEXT, fontSize: 15 } },
      ...panels.map((panel, i) => ({
        text: panel.title,
        left: `${share * (i + 0.5)}%`,
        top: 62,
        textAlign: 'center' as const,
        textStyle: { color: TEXT, fontSize: 13 },
      })),
    ],
    legend: { data: names, top: 34, textStyle: { color: TEXT } },
    grid: panels.map((_, i) => ({ left: `${share * i + 6}%`, width: `${share - 9}%`, top: 90, bottom: 50 })),
    xAxis: panels.map((_, gridIndex) => ({
      ...axis,
      gridIndex,
      type: 'value',
      name: xName,
      nameLocation: 'middle',
      nameGap: 28,
      nameTextStyle: { color: TEXT },
    })),
    yAxis: panels.map((_, gridIndex) => ({ ...axis, gridIndex, type: 'value', scale: true })),
    series,
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
