/**
 * What Weft offers under Node beside the public API: adapters, data on disk, files that are whole or not there.
 * @module weft-gpu/node
 */

export type { DataSet } from './data/fashionMnist.ts';
export { type AdapterOptions, adapterEnvironment, type OpenAdapter, openAdapter } from './node/adapter.ts';
export { type FileChoicesOptions, fileChoices } from './node/choices.ts';
export type { FoundAdapter } from './node/dawn.ts';
export { type DoctorOptions, type DoctorReport, doctorReport, formatDoctor } from './node/doctor.ts';
export { type FashionMnist, type FashionMnistOptions, loadFashionMnist } from './node/fashionMnist.ts';
export { atomicWrite } from './node/files.ts';
export type { Progress, Reporting } from './node/progress.ts';
