/** The seed of this test run: WEFT_TEST_SEED, else a random one. It belongs into every failure message that depends on it. */
export const seed = Number(process.env.WEFT_TEST_SEED ?? Math.floor(Math.random() * 2 ** 32));

/** How to see a failure again. */
export const again = `again with WEFT_TEST_SEED=${seed}`;
