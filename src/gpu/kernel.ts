import { WeftError } from '../errors.ts';

/** What one element of a binding is, as WGSL spells it. */
export type ElementType = 'f32' | 'u32' | 'i32' | 'vec4f' | 'vec4u' | 'vec4i' | 'atomic<u32>';
/** What a uniform scalar is, as WGSL spells it. */
export type UniformType = 'u32' | 'i32' | 'f32';

/** A compute kernel as its author writes it; `kernel()` adds the declarations around `body`. */
export interface KernelSpec {
  readonly name: string;
  /** Invocations in a workgroup; at most 256, WebGPU's default limit. */
  readonly lanes: number;
  /** Storage buffers that are only read, by the names that the body uses. */
  readonly read?: Readonly<Record<string, ElementType>>;
  /** Storage buffers that are written (and may be read). */
  readonly write?: Readonly<Record<string, ElementType>>;
  /** Small read-only arrays bound as uniform buffers, at most 64 KiB each: `[element, length]`. */
  readonly uniformArrays?: Readonly<Record<string, readonly ['vec4f' | 'vec4u', number]>>;
  /** Scalars that the body reads as `u.name`. */
  readonly uniforms?: Readonly<Record<string, UniformType>>;
  /** WGSL at module scope: functions, constants, workgroup variables. */
  readonly declarations?: string;
  /**
   * The body of the entry point. It finds `workgroup` (linear index, uniform), `lane` (index within the workgroup), `item`
   * (`workgroup * lanes + lane`), `u.items` (items of this dispatch) and `u.first` (index of its first item).
   */
  readonly body: string;
  /** Needs the `subgroups` feature; the body then finds `subgroupLane`. */
  readonly subgroups?: boolean;
}

/** One binding of a kernel. */
export interface KernelBinding {
  readonly name: string;
  readonly type: GPUBufferBindingType;
  /** Fewer are refused by the device: one element, or the whole of an array whose length is known. */
  readonly leastBytes: number;
}

/** A kernel with its whole WGSL and the layout of its bindings: uniforms first, then `read`, `write`, `uniformArrays`. */
export interface Kernel {
  readonly spec: KernelSpec;
  readonly code: string;
  readonly bindings: readonly KernelBinding[];
  /** Scalars in the order of their 4-byte slots. */
  readonly uniformSlots: readonly (readonly [name: string, type: UniformType])[];
}

/** Scalars that every kernel has: the dispatch helper fills them in. */
const builtinUniforms = { items: 'u32', first: 'u32', workgroups: 'u32' } as const;

export const UNIFORM_SLOT_BYTES = 256;

const bytesOf = (element: ElementType): number => (element.startsWith('vec4') ? 16 : 4);

/**
 * Makes a kernel of its description.
 * @throws WeftError for lanes outside 1 .. 256, or more uniforms than a slot of 256 bytes holds
 */
export function kernel(spec: KernelSpec): Kernel {
  if (!(spec.lanes >= 1 && spec.lanes <= 256))
    throw new WeftError(`kernel ${spec.name}: lanes must be 1 to 256, got ${spec.lanes}`);
  const uniformSlots = Object.entries({ ...builtinUniforms, ...spec.uniforms }) as [string, UniformType][];
  if (uniformSlots.length * 4 > UNIFORM_SLOT_BYTES)
    throw new WeftError(`kernel ${spec.name}: more than ${UNIFORM_SLOT_BYTES / 4} uniforms`);
  const bindings: KernelBinding[] = [{ name: 'u', type: 'uniform', leastBytes: 4 * uniformSlots.length }];
  const declarations = [
    `struct Uniforms { ${uniformSlots.map(([name, type]) => `${name}: ${type}`).join(', ')} }`,
    '@group(0) @binding(0) var<uniform> u: Uniforms;',
  ];
  const bind = (binding: KernelBinding, space: string, array: string) => {
    declarations.push(`@group(0) @binding(${bindings.length}) var<${space}> ${binding.name}: ${array};`);
    bindings.push(binding);
  };
  for (const [name, element] of Object.entries(spec.read ?? {}))
    bind(
      { name, type: 'read-only-storage', leastBytes: bytesOf(element) },
      'storage, read',
      `array<${element}>`,
    );
  for (const [name, element] of Object.entries(spec.write ?? {}))
    bind({ name, type: 'storage', leastBytes: bytesOf(element) }, 'storage, read_write', `array<${element}>`);
  for (const [name, [element, length]] of Object.entries(spec.uniformArrays ?? {}))
    bind(
      { name, type: 'uniform', leastBytes: length * bytesOf(element) },
      'uniform',
      `array<${element}, ${length}>`,
    );
  const code = `${spec.subgroups ? 'enable subgroups;\n' : ''}${declarations.join('\n')}
${spec.declarations ?? ''}
@compute @workgroup_size(${spec.lanes})
fn main(@builtin(workgroup_id) workgroupId: vec3u, @builtin(num_workgroups) workgroupCounts: vec3u,
        @builtin(local_invocation_index) lane: u32${spec.subgroups ? ', @builtin(subgroup_invocation_id) subgroupLane: u32' : ''}) {
  let workgroup = workgroupId.x + workgroupId.y * workgroupCounts.x;
  if (workgroup >= u.workgroups) { return; }
  let item = workgroup * ${spec.lanes}u + lane;
  ${spec.body}
}
`;
  return { spec, code, bindings, uniformSlots };
}

/** Memoises a kernel generator by its options, so that each set of options is one kernel and one pipeline. */
export function kernelFamily<O>(make: (options: O) => KernelSpec): (options: O) => Kernel {
  const made = new Map<string, Kernel>();
  return (options) => {
    const key = JSON.stringify(options);
    let found = made.get(key);
    if (!found) {
      found = kernel(make(options));
      made.set(key, found);
    }
    return found;
  };
}
