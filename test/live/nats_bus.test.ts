/** The Bus contract on a real server, each bus behind a proxy that can cut it off. */

import type { Bus } from "../../transport/world.ts";
import { busContract } from "../contracts/bus.ts";
import { NatsRig, until } from "./nats.ts";
import type { Proxy } from "./proxy.ts";

const rigs: NatsRig[] = [];

busContract("NATS bus", async () => {
  const rig = new NatsRig();
  rigs.push(rig);
  const server = await rig.server();
  const proxies = new Map<Bus, Proxy>();
  const proxyOf = (bus: Bus): Proxy => {
    const proxy = proxies.get(bus);
    if (proxy === undefined) throw new Error("not a bus of this fixture");
    return proxy;
  };
  return {
    bus: async () => {
      const proxy = await rig.proxy(server.port);
      const bus = await rig.bus(proxy.address);
      proxies.set(bus, proxy);
      return bus;
    },
    cut: (bus) => {
      proxyOf(bus).cut();
      return until(bus, "disconnected");
    },
    heal: (bus) => {
      proxyOf(bus).heal();
      return until(bus, "connected");
    },
    errors: () => rig.log.lines.filter((line) => line.startsWith("error")),
    wait: (promise) => promise,
  };
}, () => rigs.pop()?.end());
