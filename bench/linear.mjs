import { processorTime, rounded } from "./measure.mjs";
import { usCoreValidator } from "./validator.mjs";

const SIZES = [250, 500, 1000, 2000, 4000];

const shapes = {
  "Bundle of patients": (count) => ({
    resourceType: "Bundle",
    type: "collection",
    entry: Array.from({ length: count }, (_, i) => ({
      fullUrl: `http://e.org/Patient/${i}`,
      resource: { resourceType: "Patient", id: `${i}`, name: [{ family: "F" }], gender: "male" },
    })),
  }),
  "Observation with components": (count) => ({
    resourceType: "Observation",
    status: "final",
    code: { text: "panel" },
    component: Array.from({ length: count }, (_, i) => ({ code: { text: `c${i}` }, valueInteger: i })),
  }),
  "Patient with contained resources": (count) => ({
    resourceType: "Patient",
    contained: Array.from({ length: count }, (_, i) => ({
      resourceType: "Organization",
      id: `o${i}`,
      name: "O",
    })),
    generalPractitioner: Array.from({ length: count }, (_, i) => ({ reference: `#o${i}` })),
  }),
  "Patient with as many findings": (count) => ({
    resourceType: "Patient",
    name: Array.from({ length: count }, (_, i) => ({ famly: `f${i}`, use: "wrong" })),
  }),
};

/** Time against size: `growth` is the time for 16 times the size divided by 16; 1 is linear. */
export async function linear(say) {
  const validator = await usCoreValidator();
  for (const [shape, make] of Object.entries(shapes)) {
    const texts = SIZES.map((size) => JSON.stringify(make(size)));
    for (const text of texts) validator.validateText(text);
    const times = texts.map((text) =>
      Math.min(...Array.from({ length: 9 }, () => processorTime(() => validator.validateText(text)))),
    );
    const growth = (times.at(-1) ?? 0) / (times[0] ?? 1) / ((SIZES.at(-1) ?? 1) / (SIZES[0] ?? 1));
    say({
      bench: "linear",
      shape,
      sizes: SIZES,
      bestProcessorMs: times.map((time) => rounded(time, 3)),
      growth: rounded(growth, 3),
    });
  }
}
