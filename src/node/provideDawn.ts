import { setAdapterProvider } from '../tensor/device.ts';
import { openAdapter } from './adapter.ts';

/** Under Node, `init()` finds its adapter through Dawn, the `webgpu` package. */
setAdapterProvider((adapter) => openAdapter({ adapter }));
