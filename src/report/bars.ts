import { BarChart } from 'echarts/charts';
import { GridComponent, TitleComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { axisStyle, CHART_WIDTH, drawChart, titleStyle } from './chart.ts';
import { COLORS, FONT_SIZE, TEXT } from './style.ts';

echarts.use([BarChart, GridComponent, TitleComponent]);

/** What `barChart` draws. */
export interface BarChartOptions {
  readonly title: string;
  /** What the bars' lengths are. */
  readonly xName?: string;
  readonly bars: readonly { readonly name: string; readonly value: number }[];
}

const BAR_HEIGHT = 26;

/** Draws bars below each other, from the first on, each with its name and value, as an SVG file. */
export function barChart({ title, xName, bars }: BarChartOptions): string {
  const option = {
    title: { text: title, left: 'center', top: 6, textStyle: titleStyle },
    grid: {
      left: 16 + 7.5 * Math.max(...bars.map(({ name }) => name.length)),
      right: 70,
      top: 40,
      bottom: xName === undefined ? 8 : 34,
    },
    xAxis: { ...axisStyle, type: 'value', name: xName, nameGap: 28, splitNumber: 3 },
    yAxis: {
      ...axisStyle,
      type: 'category',
      inverse: true,
      axisTick: { show: false },
      data: bars.map(({ name }) => name),
    },
    series: [
      {
        type: 'bar',
        data: bars.map(({ value }) => value),
        color: COLORS[0],
        barCategoryGap: '25%',
        label: {
          show: true,
          position: 'right',
          color: TEXT,
          fontSize: FONT_SIZE,
          formatter: ({ value }: { value: number }) => value.toLocaleString('en-US'),
        },
      },
    ],
  };
  return drawChart(option, { width: CHART_WIDTH, height: 90 + BAR_HEIGHT * bars.length });
}
