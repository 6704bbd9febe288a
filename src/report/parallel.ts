import { ParallelChart } from 'echarts/charts';
import { ParallelComponent, TitleComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { axisStyle, CHART_WIDTH, drawChart, titleStyle } from './chart.ts';
import { viridis } from './pictures.ts';
import { BACKGROUND, FONT_SIZE, TEXT } from './style.ts';

echarts.use([ParallelChart, ParallelComponent, TitleComponent]);

/** What `parallelChart` draws. */
export interface ParallelChartOptions {
  readonly title: string;
  readonly axes: readonly {
    readonly name: string;
    /** Default 'linear'. */
    readonly scale?: 'linear' | 'log' | 'category';
    /** Of a category: all that there are. */
    readonly values?: readonly string[];
  }[];
  /** One across all axes each; `score` stands on an axis of its own, and gives the colour. */
  readonly lines: readonly { readonly values: readonly (number | string)[]; readonly score: number }[];
  readonly scoreName: string;
  /** Whether a high score is a good one (default): good lines are drawn last and thick. */
  readonly highIsGood?: boolean;
}

/** Draws parallel coordinates, a line for each trial of a search, as an SVG file. */
export function parallelChart(options: ParallelChartOptions): string {
  const { title, axes, lines, scoreName, highIsGood = true } = options;
  const scores = lines.map(({ score }) => score);
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  const goodness = (score: number) => {
    const part = high > low ? (score - low) / (high - low) : 1;
    return highIsGood ? part : 1 - part;
  };
  const parallelAxis = axes.map(({ name, scale = 'linear', values }, dim) => ({
    dim,
    name,
    ...(scale === 'category'
      ? { type: 'category', data: values }
      : { type: scale === 'log' ? 'log' : 'value' }),
    ...(scale === 'category'
      ? {}
      : extent(
          lines.map((line) => Number(line.values[dim])),
          scale,
        )),
  }));
  const option = {
    title: { text: title, left: 'center', top: 6, textStyle: titleStyle },
    parallel: {
      left: 50,
      right: 90,
      top: 76,
      bottom: 24,
      parallelAxisDefault: {
        ...axisStyle,
        nameLocation: 'end',
        nameGap: 16,
        nameRotate: 0,
        nameTextStyle: { color: TEXT, fontSize: FONT_SIZE },
        // Lines cross the labels: these stand out by a rim in the background's colour.
        axisLabel: {
          ...axisStyle.axisLabel,
          formatter: short,
          textBorderColor: BACKGROUND,
          textBorderWidth: 4,
        },
      },
    },
    parallelAxis: [
      ...parallelAxis,
      { dim: axes.length, name: scoreName, type: 'value', scale: true, ...extent(scores, 'linear') },
    ],
    series: [...lines]
      .sort((a, b) => goodness(a.score) - goodness(b.score))
      .map(({ values, score }) => ({
        type: 'parallel',
        data: [[...values, score]],
        lineStyle: {
          color: `rgb(${viridis(0.15 + 0.7 * goodness(score)).join(', ')})`,
          width: goodness(score) > 0.9 ? 3.5 : 1.8,
          opacity: 0.9,
        },
      })),
  };
  return drawChart(option, { width: Math.max(CHART_WIDTH, 60 + 120 * (axes.length + 1)), height: 380 });
}

const short = (value: number | string): string =>
  typeof value === 'string' ? value : String(Number(value.toPrecision(3)));

/** The range of an axis: that of its values. */
function extent(values: readonly number[], scale: 'linear' | 'log'): { min?: number; max?: number } {
  const [min, max] = [Math.min(...values), Math.max(...values)];
  if (!(max > min)) return {};
  const room = scale === 'log' ? 1 : 0.04 * (max - min);
  return scale === 'log' ? { min, max } : { min: min - room, max: max + room };
}
