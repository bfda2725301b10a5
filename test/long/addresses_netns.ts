/**
 * `npm run test:long -- addresses-netns [ROUNDS]`: the scenes of test/live/addresses_netns.test.ts again and again, in
 * turn with a follower and with the leader; ARP is asked all the time, and no two may answer.
 *
 * Does NOT promise: an end soon: a round takes 20 s.
 */
import process from "node:process";
import { readyProgram } from "../../build/ready.ts";
import { inside, whyNot } from "../netns/inside.ts";

const [rounds = "30"] = process.argv.slice(2);
const why = whyNot();
if (why !== undefined) {
  console.error(`no network namespaces: ${why}`);
  process.exit(2);
}
process.env["CTDBX_PROGRAM"] ||= readyProgram();
const { code } = await inside("scenes.ts", [rounds], (part) => void process.stdout.write(part));
process.exit(code ?? 1);
