// Loaded before the command: the disk is full as soon as half of a checkpoint is written.
import fs from 'node:fs/promises';

const { open } = fs;
fs.open = async (path, ...rest) => {
  const file = await open(path, ...rest);
  if (!String(path).includes('checkpoint.safetensors')) return file;
  file.writeFile = async (contents) => {
    await file.write(contents, 0, Math.floor(contents.length / 2));
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  };
  return file;
};
