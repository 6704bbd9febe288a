// Loaded before the command, as killBefore.mjs?operation=N: kills it before the N-th operation that changes files. At the end, it says how many there were.
import fs from 'node:fs/promises';

const last = Number(new URL(import.meta.url).searchParams.get('operation') ?? Number.POSITIVE_INFINITY);
let count = 0;

/** The operation, after a step that may be the last. */
const counted =
  (operation) =>
  (...args) => {
    if (++count === last) process.kill(process.pid, 'SIGKILL');
    return operation(...args);
  };

for (const name of ['copyFile', 'link', 'mkdir', 'mkdtemp', 'rename', 'rm', 'rmdir', 'writeFile'])
  fs[name] = counted(fs[name]);

const { open } = fs;
const create = counted(open);
fs.open = async (path, flags, ...rest) => {
  if (flags === undefined || flags === 'r') return open(path, flags, ...rest);
  const file = await create(path, flags, ...rest);
  for (const name of ['writeFile', 'sync']) file[name] = counted(file[name].bind(file));
  return file;
};

process.on('exit', () => process.stderr.write(`operations: ${count}\n`));
