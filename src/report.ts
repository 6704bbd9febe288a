/**
 * Reports: charts as SVG, pictures as PNG, and pages of HTML that need nothing else. Charts need the package `echarts`, pictures the
 * package `fast-png`.
 * @module weft-gpu/report
 */
export { type BarChartOptions, barChart } from './report/bars.ts';
export {
  type Curve,
  type CurvesOptions,
  drawCurves,
  type LineChartOptions,
  lineChart,
  type Panel,
} from './report/curves.ts';
export {
  type FeatureMapPictureOptions,
  type FiltersPictureOptions,
  featureMapPicture,
  filtersPicture,
} from './report/featureMapPicture.ts';
export { type Block, type ReportPageOptions, reportPage, type Section } from './report/page.ts';
export { type ParallelChartOptions, parallelChart } from './report/parallel.ts';
export {
  colorMap,
  encodePng,
  grayPicture,
  type Picture,
  type PictureGridOptions,
  pictureGrid,
  viridis,
} from './report/pictures.ts';
export { type ScatterChartOptions, scatterChart } from './report/scatter.ts';
export { formatConfusion, formatScores, formatShares } from './report/scores.ts';
export {
  type ClassificationSectionOptions,
  classificationSection,
} from './report/sections/classification.ts';
export { type DataSectionOptions, dataSection } from './report/sections/data.ts';
export { type Gallery, type GallerySectionOptions, gallerySection } from './report/sections/gallery.ts';
export {
  type LearningCurvesOptions,
  learningCurvesSection,
  type NamedHistory,
} from './report/sections/learningCurves.ts';
export { type ModelSectionOptions, modelSection } from './report/sections/model.ts';
