/*
 * The look of charts, in one place: greys and hues that stand out on light and on dark, without a background. In a page, the page's
 * style puts its own colours, which differ on light and on dark, in the place of the greys.
 */

export const TEXT = '#808080';
export const LINES = 'rgba(128, 128, 128, 0.33)';
/** How these stand in an SVG file, beside their opacity. */
export const LINES_STROKE = 'rgb(128,128,128)';
export const BACKGROUND = '#ffffff';

/** Of series, in their order: contrast of at least 3 on white and on the page's dark background. */
export const COLORS = [
  '#3b82f6',
  '#d97706',
  '#16a34a',
  '#c026d3',
  '#dc2626',
  '#0891b2',
  '#7c6ff0',
  '#8a7a00',
  '#b0567a',
  '#6b7f8c',
] as const;

export const FONT = 'system-ui, sans-serif';
export const FONT_SIZE = 14;
