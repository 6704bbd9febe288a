/** The same under Node, where HDF5's worker is a thread. */
export * from './files.ts';

import './node/hdf5Host.ts';
