/*
 * The look of charts and pages, in one place. A chart in a page takes the page's colours, which differ on light and on dark; by itself it
 * takes greys and hues that stand out on both, and has no background of its own.
 */

export const TEXT = 'var(--text-soft, #808080)';
export const LINES = 'var(--line, rgb(128 128 128 / 33%))';
export const BACKGROUND = 'var(--background, #ffffff)';

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
