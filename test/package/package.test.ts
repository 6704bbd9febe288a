import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeBlocks } from '../docs/codeBlocks.ts';
import { EmptyProjects, lend, root, run } from './emptyProject.ts';

const EXAMPLE = 'examples/train.mjs';

let projects: EmptyProjects;
beforeAll(async () => {
  projects = await EmptyProjects.pack();
}, 300_000);
afterAll(() => projects?.remove());

const readRoot = (path: string): Promise<string> => readFile(join(root, path), 'utf8');

/** Losses that a training program printed. */
const lossesIn = (output: string): number[] =>
  [...output.matchAll(/loss (\S+)/g)].map(([, loss]) => Number(loss));

describe('the packed package', () => {
  it('holds the built library, README and licences, and nothing else', async () => {
    const { stdout } = await run(root, 'tar', '-tzf', projects.tarball);
    const files = stdout
      .trim()
      .split('\n')
      .map((file) => file.replace('package/', ''));
    const outside = files.filter((file) => !file.startsWith('dist/'));
    expect(outside.sort()).toEqual(['LICENSE', 'README.md', 'THIRD-PARTY.md', 'package.json']);
    // The bundles of the benchmark are built beside it.
    expect(files.filter((file) => file.startsWith('dist/bench-'))).toEqual([]);
    expect(files).toEqual(
      expect.arrayContaining([
        'dist/index.js',
        'dist/index.d.ts',
        'dist/index.node.js',
        'dist/files.js',
        'dist/files.d.ts',
        'dist/files.node.js',
        'dist/report.js',
        'dist/report.d.ts',
        'dist/node.js',
        'dist/node.d.ts',
        'dist/weft.js',
      ]),
    );
  });

  it('has the licence of every package that its files hold code of', async () => {
    const project = await projects.make();
    const packed = join(project, 'node_modules/weft-gpu');
    const held = new Set(['h5wasm']);
    for (const file of (await readdir(join(packed, 'dist'))).filter((name) => name.endsWith('.js')))
      for (const [, name] of (await readFile(join(packed, 'dist', file), 'utf8')).matchAll(
        // Where a bundled module comes from, as esbuild notes it.
        /^ *\/\/ (?:.*\/)?node_modules\/((?:@[^/\s]+\/)?[^/\s]+)\/\S+$/gm,
      ))
        held.add(name);
    expect(held.size).toBeGreaterThan(10);
    const listed = await readFile(join(packed, 'THIRD-PARTY.md'), 'utf8');
    const sections = new Map(
      listed.split(/^## /m).map((text) => [text.match(/^(\S+) \d\S*: /)?.[1], text] as const),
    );
    expect([...sections.keys()].filter((name) => name !== undefined).sort()).toEqual([...held].sort());
    for (const name of held) expect(sections.get(name), name).toMatch(/copyright|public domain/i);
    for (const part of [
      'The HDF Group',
      'Lawrence Berkeley',
      'Jean-loup Gailly',
      'Emscripten authors',
      'musl',
    ])
      expect(sections.get('h5wasm')).toContain(part);
  });

  it('brings no dependency', async () => {
    const project = await projects.make();
    const installed = (await readdir(join(project, 'node_modules'))).filter((name) => !name.startsWith('.'));
    expect(installed).toEqual(['weft-gpu']);
  });

  it('has a browser entry free of Node and Dawn', async () => {
    const project = await projects.make();
    const dist = join(project, 'node_modules/weft-gpu/dist');
    const reached = new Set(['index.js']);
    for (const file of reached) {
      const text = await readFile(join(dist, file), 'utf8');
      const { importedFiles } = ts.preProcessFile(text, true, true);
      for (const { fileName } of importedFiles) {
        expect(fileName, `import in ${file}`).toMatch(/^\.\//);
        reached.add(posix.join(posix.dirname(file), fileName));
      }
      expect(text, file).not.toMatch(/['"]node:|\brequire\(|['"]webgpu['"]|\bprocess\.|\bBuffer\./);
    }
  });

  it('has an entry for files that loads packages only when they are needed', async () => {
    const project = await projects.make();
    const dist = join(project, 'node_modules/weft-gpu/dist');
    const reached = new Set(['files.js']);
    const packages = new Set<string>();
    for (const file of reached) {
      const text = await readFile(join(dist, file), 'utf8');
      expect(text, file).not.toMatch(/['"]node:(?!worker_threads)|\bBuffer\./);
      for (const { fileName } of ts.preProcessFile(text, true, true).importedFiles) {
        if (fileName.startsWith('./')) reached.add(posix.join(posix.dirname(file), fileName));
        else packages.add(fileName);
      }
      expect(text, file).not.toMatch(/^import .* from ['"]fflate/m);
    }
    expect([...packages]).toEqual(['fflate']);
    await writeFile(
      join(project, 'files.mjs'),
      `import { decodeNpy, encodeNpy, encodeNpz } from 'weft-gpu/files';
       console.log(decodeNpy(encodeNpy({ shape: [2], data: Float32Array.of(1, 2) })).data.join());
       await encodeNpz(new Map()).catch((error) => console.log(error.name, error.message));`,
    );
    const { code, stdout, stderr } = await run(project, 'node', 'files.mjs');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.trim().split('\n')).toEqual([
      '1,2',
      'WeftError writing .npz needs the package `fflate`: npm install fflate',
    ]);
    await lend(project, 'fflate');
    await writeFile(
      join(project, 'keras.mjs'),
      `import { layers, sequential } from 'weft-gpu';
       import { decodeNpz, encodeNpz, loadKerasModel, saveKerasModel } from 'weft-gpu/files';
       const model = sequential([layers.dense({ units: 3 })], { inputShape: [4] });
       const copy = await loadKerasModel(await saveKerasModel(model));
       const file = await encodeNpz(new Map([['x', { shape: [1], data: Float32Array.of(7) }]]));
       console.log((await decodeNpz(file)).get('x').data[0], copy.layers[0].name, String(await copy.parameters[0].data()) === String(await model.parameters[0].data()));`,
    );
    expect(await run(project, 'node', 'keras.mjs')).toEqual({
      code: 0,
      stdout: '7 dense true\n',
      stderr: '',
    });
  });

  it("has an entry for reports, which draws with packages that are the user's to install", async () => {
    const project = await projects.make();
    await writeFile(
      join(project, 'report.mjs'),
      `import { learningCurvesSection, reportPage } from 'weft-gpu/report';
       const history = [{ epoch: 1, loss: 0.9 }, { epoch: 2, loss: 0.6 }];
       console.log(reportPage({ title: 'Mine', sections: [learningCurvesSection([{ name: 'a', history }])] }).slice(0, 15));`,
    );
    const without = await run(project, 'node', 'report.mjs');
    expect(without.code).not.toBe(0);
    expect(without.stderr).toMatch(/Cannot find package '(echarts|fast-png)'/);
    for (const name of ['echarts', 'fast-png']) await lend(project, name);
    expect(await run(project, 'node', 'report.mjs')).toEqual({
      code: 0,
      stdout: '<!DOCTYPE html>\n',
      stderr: '',
    });
  });

  it('shares what it knows between its two entries', async () => {
    const project = await projects.make();
    await writeFile(
      join(project, 'shared.mjs'),
      `import { WeftError } from 'weft-gpu';
       import { loadFashionMnist } from 'weft-gpu/node';
       const error = await loadFashionMnist({ dir: '/no/such/folder' }).catch((error) => error);
       console.log(error instanceof WeftError, error.message);`,
    );
    const { code, stdout, stderr } = await run(project, 'node', 'shared.mjs');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^true .*\/no\/such\/folder/);
  });

  it('builds and describes a model without a device', async () => {
    const project = await projects.make();
    await writeFile(
      join(project, 'summary.mjs'),
      `import { layers, sequential } from 'weft-gpu';
       console.log(sequential([layers.dense({ units: 3 })], { inputShape: [4] }).summary());`,
    );
    const { code, stdout, stderr } = await run(project, 'node', 'summary.mjs');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('15 parameters: 15 trainable, 0 not');
  });

  it('says what is missing where Dawn is not installed', async () => {
    const project = await projects.make();
    await copyFile(join(root, EXAMPLE), join(project, 'train.mjs'));
    const { code, stderr } = await run(project, 'node', 'train.mjs');
    expect(code).not.toBe(0);
    expect(stderr).toContain('npm install webgpu');
  });

  it('brings the command weft as one file that needs nothing beside it', async () => {
    const project = await projects.make();
    const help = await run(project, join('node_modules', '.bin', 'weft'), '--help');
    expect({ code: help.code, stderr: help.stderr }).toEqual({ code: 0, stderr: '' });
    const commands = [...help.stdout.matchAll(/^ {2}([a-z][\w-]*) .*(?:\[options\]|<|\[name\])/gm)].map(
      ([, name]) => name,
    );
    const inReadme = [...(await readRoot('README.md')).matchAll(/^\| `weft ([\w-]+)/gm)].map(
      ([, name]) => name,
    );
    expect(inReadme.sort()).toEqual(commands.sort());
    const alone = join(project, 'alone');
    await mkdir(alone);
    await copyFile(join(project, 'node_modules/weft-gpu/dist/weft.js'), join(alone, 'weft.mjs'));
    expect(await run(alone, 'node', 'weft.mjs', '--help')).toEqual(help);
  });
});

describe('types', () => {
  const consumer = `
    import { Adam, gradients, init, layers, record, sequential, softmaxCrossEntropy, type Tensor, tensor } from 'weft-gpu';
    import { type FashionMnist, loadFashionMnist } from 'weft-gpu/node';
    const model = sequential([layers.flatten(), layers.dense({ units: 10 })], { inputShape: [28, 28, 1] });
    const step = record((x: Tensor, labels: Tensor) => softmaxCrossEntropy(model.logits(x), labels));
    export async function use(): Promise<number> {
      const gpu = await init();
      const data: FashionMnist = await loadFashionMnist();
      const loss: Tensor = await step(tensor([[1, 2]]), tensor(Int32Array.of(data.train.labels[0])));
      const [gradient] = gradients(loss, [model.trainableParameters[0].tensor]);
      new Adam({ learningRate: 0.1 }).learningRate = gradient.size + gpu.counters.buffers;
      // @ts-expect-error a layer's options are checked
      layers.dense({ unit: 10 });
      return loss.item();
    }
  `;

  async function typeCheck(options: object, ...files: [name: string, text: string][]): Promise<string> {
    const project = await projects.make();
    for (const [name, text] of files) {
      await mkdir(dirname(join(project, name)), { recursive: true });
      await writeFile(join(project, name), text);
    }
    await mkdir(join(project, 'node_modules/@webgpu'));
    await lend(project, '@webgpu/types');
    const compilerOptions = {
      strict: true,
      noEmit: true,
      target: 'ES2022',
      lib: ['ES2022', 'DOM'],
      types: ['@webgpu/types'],
      allowJs: true,
      checkJs: true,
      ...options,
    };
    await writeFile(
      join(project, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: files.map(([name]) => name) }),
    );
    const { code, stdout } = await run(project, 'node', join(root, 'node_modules/typescript/bin/tsc'));
    return `${code}\n${stdout}`;
  }

  it.each([
    ['bundler', { module: 'ESNext', moduleResolution: 'Bundler' }],
    ['nodenext', { module: 'NodeNext', moduleResolution: 'NodeNext' }],
  ])('are found with moduleResolution %s', async (_, options) => {
    expect(await typeCheck(options, ['consumer.mts', consumer])).toBe('0\n');
  });
});

describe('the README', () => {
  it('names only scripts that there are', async () => {
    const { scripts } = JSON.parse(await readRoot('package.json'));
    const shell = codeBlocks(await readRoot('README.md')).filter(({ language }) =>
      ['sh', 'bash', 'console'].includes(language),
    );
    const named = shell.flatMap(({ code }) =>
      [...code.matchAll(/npm (?:run )?(test\b(?::\S+)?|(?<=run )\S+)/g)].map(([, name]) => name),
    );
    expect(named.length).toBeGreaterThan(1);
    for (const name of named) expect(Object.keys(scripts)).toContain(name);
  });
});

describe('the example', () => {
  it('is in the README, in less than 40 lines', async () => {
    const example = await readRoot(EXAMPLE);
    expect(example.trimEnd().split('\n').length).toBeLessThan(40);
    expect(codeBlocks(await readRoot('README.md')).map(({ code }) => code)).toContain(example);
  });

  it('trains in a new project: the loss ends far lower than it began', async () => {
    const project = await projects.make();
    await lend(project, 'webgpu');
    await copyFile(join(root, EXAMPLE), join(project, 'train.mjs'));
    const { code, stdout, stderr } = await run(project, 'node', 'train.mjs');
    expect(code, stderr).toBe(0);
    const losses = lossesIn(stdout);
    expect(losses.length).toBeGreaterThan(4);
    expect(losses[losses.length - 1]).toBeLessThan(0.5 * losses[0]);
  });
});
