/** The Image contract on the simulated adapter. Does NOT promise: faults; see sim/image.test.ts. */

import { SimImageStore } from "../../transport/sim/image.ts";
import { imageContract } from "../contracts/image.ts";

imageContract("simulated image", () => {
  const store = new SimImageStore({
    seed: 1,
    reserveBytes: 65536,
    timer: (delayMs, fire) => {
      const timer = setTimeout(fire, delayMs);
      return () => clearTimeout(timer);
    },
  });
  return {
    store,
    path: (name) => `/sim/${name}`,
    deny: (path) => {
      store.deny(path);
      return () => {};
    },
  };
}, () => {});
