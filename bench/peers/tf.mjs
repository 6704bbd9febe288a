import { provideDawn } from './dawn.mjs';

/**
 * TensorFlow.js on its WebGPU backend.
 * @param given the adapter, where another one than Dawn's first is meant
 * @returns it and its layers, with the adapter's name and what the peer is called
 */
export async function provideTf(given) {
  const adapter = await provideDawn(given);
  const tf = await import('@tensorflow/tfjs-core');
  await import('@tensorflow/tfjs-backend-webgpu');
  // Which brings the ops' gradients as well.
  const layers = await import('@tensorflow/tfjs-layers');
  await tf.setBackend('webgpu');
  await tf.ready();
  if (tf.getBackend() !== 'webgpu') throw new Error(`TensorFlow.js fell back to ${tf.getBackend()}`);
  return { tf, layers, adapter, name: `TensorFlow.js ${tf.version_core} WebGPU` };
}
