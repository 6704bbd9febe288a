import { GpuError } from '../errors.ts';
import type { Answers } from './answers.ts';
import { Check } from './checks.ts';
import type { Kernel } from './kernel.ts';
import { oneLine } from './oneLine.ts';

/** A kernel as the device has it, and whether it compiled. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly check: Check;
}

/** The kernels that were used on a device. */
export class Pipelines {
  private readonly made = new Map<string, Pipeline>();

  /** @param onCompile called for each that is compiled */
  constructor(
    private readonly device: GPUDevice,
    private readonly answers: Answers,
    private readonly onCompile: () => void,
  ) {}

  /** The kernel's pipeline: compiled the first time, and known not to compile from then on if so. */
  of(kernel: Kernel): Pipeline {
    let found = this.made.get(kernel.code);
    if (!found) {
      found = this.compile(kernel);
      this.made.set(kernel.code, found);
    }
    return found;
  }

  private compile({ spec: { name }, code, bindings }: Kernel): Pipeline {
    const { device } = this;
    this.onCompile();
    // What a driver's own compiler refuses is an internal error.
    device.pushErrorScope('internal');
    device.pushErrorScope('validation');
    const layout = device.createBindGroupLayout({
      label: name,
      entries: bindings.map(({ type }, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type },
      })),
    });
    const module = device.createShaderModule({ label: name, code });
    const pipeline = device.createComputePipeline({
      label: name,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: 'main' },
    });
    const errors = Promise.all([device.popErrorScope(), device.popErrorScope()]);
    const outcome = this.answers.asked(errors).then(async (found) => {
      const error = found.find((error) => error !== null);
      return error && this.describe(name, code, module, error.message);
    });
    return { pipeline, layout, check: Check.of(outcome) };
  }

  /** The compiler's first message with its line of WGSL, or the device's own words where it has none. */
  private async describe(
    name: string,
    code: string,
    module: GPUShaderModule,
    message: string,
  ): Promise<GpuError> {
    const { messages } = await this.answers.asked(module.getCompilationInfo());
    const errors = messages.filter(({ type }) => type === 'error');
    const lines = code.split('\n');
    const [first] = errors.map(
      ({ lineNum, message }) =>
        `line ${lineNum}: ${message.split('\n')[0]}, in '${lines[lineNum - 1]?.trim() ?? ''}'`,
    );
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
    return new GpuError(`kernel ${name} doesn't compile: ${oneLine(first ?? message)}${more}`, {
      wgsl: lines.map((line, i) => `${String(i + 1).padStart(4)} ${line}`).join('\n'),
    });
  }
}
