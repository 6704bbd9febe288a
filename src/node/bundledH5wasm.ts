/** The address of the h5wasm that is part of the program's file. The command's bundle puts another module in this one's place. */
export const bundledH5wasm = (): string | undefined => undefined;
