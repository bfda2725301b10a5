// Shares work among the programs that offer it: each name is one program's at a time, in the whole cluster.
import { connect } from "ctdbx";

const names = ["mail-0", "mail-1", "mail-2"];
await using cluster = await connect();
const tokens = new Map<string, string>();
const handedOver: string[] = [];
const all = Promise.withResolvers<void>();
const workers = await Promise.all(names.map((name) =>
  cluster.resource(name, {
    // May run as long as it is owned; `signal` says when it is to end.
    async onTake(owned) {
      tokens.set(name, (await owned.token()).text);
      if (tokens.size === names.length) all.resolve();
      await new Promise((stop) => owned.signal.addEventListener("abort", stop));
    },
    // When `onTake` has ended. Nobody else has it before this has, too.
    onRelease: () => void handedOver.push(name),
  })
));
await all.promise;
console.log("had by this program:", [...tokens.keys()].sort().join(", "));

// A second program, here within this one: it stands by.
await using other = await connect();
const next = Promise.withResolvers<string>();
await using standBy = await other.resource("mail-1", {
  onTake: async (owned) => next.resolve((await owned.token()).text),
});
console.log("both own it:", workers[1]?.isOwned === true && standBy.isOwned);
await workers[1]?.close();
console.log("handed over:", handedOver.includes("mail-1"));
console.log("the next token is greater:", await next.promise > (tokens.get("mail-1") ?? ""));
