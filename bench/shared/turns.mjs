/** Takes two measurements in turns; each goes first as often as the other. @returns what each found, a value a round */
export async function inTurns(rounds, one, other) {
  const [ones, others] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const turns = [async () => ones.push(await one()), async () => others.push(await other())];
    for (const turn of round % 2 === 0 ? turns : turns.reverse()) await turn();
  }
  return [ones, others];
}
