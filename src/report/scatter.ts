import { ScatterChart } from 'echarts/charts';
import { GridComponent, TitleComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { median } from '../tensor/median.ts';
import { CHART_WIDTH, drawChart, titleStyle } from './chart.ts';
import { BACKGROUND, COLORS, FONT_SIZE } from './style.ts';

echarts.use([ScatterChart, GridComponent, TitleComponent]);

/** What `scatterChart` draws. */
export interface ScatterChartOptions {
  readonly title: string;
  /** Each in a colour of its own. */
  readonly groups: readonly {
    readonly name: string;
    readonly points: readonly (readonly [x: number, y: number])[];
  }[];
}

/** Draws points on a plane whose axes mean nothing, each group's name at its medians, as an SVG file. */
export function scatterChart({ title, groups }: ScatterChartOptions): string {
  const shown = groups.filter(({ points }) => points.length > 0);
  const count = shown.reduce((sum, { points }) => sum + points.length, 0);
  const symbolSize = count > 2000 ? 3 : count > 300 ? 5 : 8;
  const axis = { type: 'value', scale: true, show: false };
  const option = {
    title: { text: title, left: 'center', top: 6, textStyle: titleStyle },
    grid: { left: 30, right: 30, top: 40, bottom: 16 },
    xAxis: axis,
    yAxis: axis,
    series: [
      ...shown.map(({ points }, i) => ({
        type: 'scatter',
        data: points.map(([x, y]) => [rounded(x), rounded(y)]),
        symbolSize,
        color: COLORS[i % COLORS.length],
        itemStyle: { opacity: 0.75 },
        large: false,
      })),
      ...shown.map(({ name, points }, i) => ({
        type: 'scatter',
        data: [[median(points.map(([x]) => x)), median(points.map(([, y]) => y))]],
        symbolSize: 1,
        color: COLORS[i % COLORS.length],
        z: 3,
        label: {
          show: true,
          position: 'inside',
          formatter: () => name,
          color: COLORS[i % COLORS.length],
          fontWeight: 'bold',
          fontSize: FONT_SIZE + 6,
          textBorderColor: BACKGROUND,
          textBorderWidth: 4,
        },
      })),
    ],
  };
  return drawChart(option, { width: CHART_WIDTH, height: CHART_WIDTH });
}

const rounded = (value: number): number => Number(value.toPrecision(5));
