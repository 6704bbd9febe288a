/** Characters of a name that go into a file's: systems have a limit. */
const MOST = 100;

/** A name, as a layer's, as a part of a file's: a layer may be called what a file may not, a path among others. */
export const fileNameOf = (name: string): string => name.slice(0, MOST).replaceAll(/[^\w.-]/g, '-');
