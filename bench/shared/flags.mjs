/** Those of `names` that a list with commas asks for; all where it is left out. @throws Error naming the first that isn't there */
export function chosenOf(option, list, names) {
  const chosen = list?.split(',') ?? names;
  const stranger = chosen.find((name) => !names.includes(name));
  if (stranger !== undefined)
    throw new Error(`${option}: there is no '${stranger}'; there are ${names.join(', ')}`);
  return chosen;
}

/** The number of rounds that is asked for, if one is. @throws Error */
export function roundsOf(text) {
  if (text === undefined) return undefined;
  const rounds = Number(text);
  if (!(Number.isInteger(rounds) && rounds >= 1))
    throw new Error(`--rounds must be a whole number of at least 1, got '${text}'`);
  return rounds;
}
