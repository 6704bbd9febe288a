import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export function run(cwd: string, command: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

async function mustRun(cwd: string, command: string, ...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await run(cwd, command, ...args);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`);
}

/** The package as npm would publish it, and folders to install it into; all of it is gone after `remove()`. */
export class EmptyProjects {
  private constructor(
    private readonly folder: string,
    readonly tarball: string,
  ) {}

  /** Builds and packs. */
  static async pack(): Promise<EmptyProjects> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-package-'));
    await mustRun(root, 'npm', 'pack', '--pack-destination', folder);
    const { name, version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    return new EmptyProjects(folder, join(folder, `${name}-${version}.tgz`));
  }

  /** A new project with the package installed and nothing else: without the network, so that a dependency would fail it. */
  async make(): Promise<string> {
    const project = await mkdtemp(join(this.folder, 'project-'));
    await writeFile(join(project, 'package.json'), '{ "private": true }\n');
    await mustRun(project, 'npm', 'install', '--offline', '--no-audit', '--no-fund', this.tarball);
    return project;
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

/** Puts a package of this project's own development dependencies into another project. */
export async function lend(project: string, name: string): Promise<void> {
  await symlink(join(root, 'node_modules', name), join(project, 'node_modules', name), 'dir');
}
