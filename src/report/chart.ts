import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { FONT, FONT_SIZE, LINES, TEXT } from './style.ts';

echarts.use([SVGRenderer]);

/** What all charts have in common, drawn as an SVG file. */
export function drawChart(option: object, { width, height }: { width: number; height: number }): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  chart.setOption({ animation: false, textStyle: { fontFamily: FONT, fontSize: FONT_SIZE }, ...option });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

export const axisStyle = {
  axisLabel: { color: TEXT, fontSize: FONT_SIZE },
  axisLine: { lineStyle: { color: TEXT } },
  splitLine: { lineStyle: { color: LINES } },
  nameTextStyle: { color: TEXT, fontSize: FONT_SIZE },
  nameLocation: 'middle',
};

export const titleStyle = { color: TEXT, fontSize: FONT_SIZE + 1 };

/** A chart alone: as wide as a phone shows it legibly, several of them side by side on a screen. */
export const CHART_WIDTH = 460;
export const CHART_HEIGHT = 340;
