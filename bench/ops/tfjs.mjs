/** TensorFlow.js' WebGPU backend as one side of the comparison, on one case at a time. */
import { provideTf } from '../peers/tf.mjs';
import { constantsOf, opsOf } from './tfjsOps.mjs';

/** TensorFlow.js' calls; each resolves when the GPU is done. */
export async function open() {
  const { tf, adapter, name } = await provideTf();
  // Else it would compute with small tensors on the CPU as long as they come from there, which those of a network don't.
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  const [ops, constants, backend] = [opsOf(tf), constantsOf(tf), tf.backend()];
  const toTensor = ({ data, shape }) =>
    tf.tensor(data, shape, data instanceof Int32Array ? 'int32' : 'float32');
  let given;
  let inputs = {};
  let cotangent;

  const call = ({ gradientOf }) => {
    const { op, attributes } = given;
    const ofTarget = (target) => ops[op]({ ...inputs, [gradientOf]: target }, attributes);
    const y =
      gradientOf === undefined
        ? ops[op](inputs, attributes)
        : tf.grad(ofTarget)(inputs[gradientOf], cotangent);
    // Where the CPU drew it: what follows in a network would ask for it.
    backend.uploadToGPU(y.dataId);
    return y;
  };
  /** What WebGPU refuses takes no time. */
  const accepted = async (work) => {
    backend.device.pushErrorScope('validation');
    const result = await work();
    const error = await backend.device.popErrorScope();
    if (error) throw new Error(`WebGPU refused it: ${error.message}`);
    return result;
  };
  return {
    about: { name, adapter },
    prepare(next) {
      for (const used of [...Object.values(inputs), cotangent]) used?.dispose();
      cotangent = undefined;
      given = next;
      inputs = Object.fromEntries(
        Object.entries(given.inputs).map(([name, values]) => [name, toTensor(values)]),
      );
      inputs = { ...inputs, ...constants[given.op]?.(inputs, given.attributes) };
    },
    setCotangent(values) {
      cotangent?.dispose();
      cotangent = toTensor(values);
    },
    values: (pass) =>
      accepted(async () => {
        const y = tf.tidy(() => call(pass));
        const values = { shape: y.shape, data: await y.data() };
        y.dispose();
        return values;
      }),
    time: ({ times, ...pass }) =>
      accepted(async () => {
        const start = performance.now();
        for (let i = 0; i < times; i++)
          tf.tidy(() => {
            call(pass);
          });
        backend.ensureCommandEncoderReady();
        backend.endComputePassEncoder();
        backend.submitQueue();
        await backend.queue.onSubmittedWorkDone();
        return performance.now() - start;
      }),
  };
}
