/*
 * Words of the commands that weft suggests: a shell takes each for one word, whatever is in it.
 */

/** A text as one word. */
export function shellWord(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(text))
    return `$'${text.replace(/[\\'\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
      if (character === '\\' || character === "'") return `\\${character}`;
      return `\\U${character.codePointAt(0)!.toString(16).padStart(8, '0')}`;
    })}'`;
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A path as one word that is no option. */
export const shellPath = (path: string): string => shellWord(path.startsWith('-') ? `./${path}` : path);
