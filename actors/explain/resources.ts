/**
 * Resources of programs that nobody owns, and programs that fail with theirs or hang.
 *
 * Does NOT promise: to know of a program that owns something and does nothing with it.
 */
import type { Rule } from "./facts.ts";
import { askedWords, counted, ctdbx, found, isLeading, listed, shellWord } from "./words.ts";
import { withWord } from "./words.ts";

function some(names: readonly string[], count: number): string {
  const more = count - names.length;
  return more <= 0 ? listed(names) : `${names.join(", ")} and ${more} more`;
}

const RESOURCE_FREE: Rule = {
  id: "resource_free",
  cause: "Nobody can own a resource of programs",
  evidence: "which resources, and why: nobody offers them, or no node whose programs do is able",
  next: "the first program that can own them gets them, at once",
  command: "ctdbx resource ls",
  explainsHere: [],
  explainsAll: [],
  find: (facts) => {
    const all = withWord(facts).find(({ inside }) => isLeading(inside, facts.timing))
      ?.inside.resources?.all;
    if (all === undefined || all.free.count === 0) return [];
    const { count, first } = all.free;
    return [found({
      title: `Nobody owns ${counted(count, "resource", "resources")}: ${
        some(first.map(({ name }) => name), count)
      }`,
      severity: "error",
      evidence: [
        `${all.owned} of ${counted(all.known, "resource", "resources")} are owned`,
        ...first.map(({ name, why }) => `${name}: ${why}`),
      ],
      next: ["what is done under them is not done; the first program that can own them gets them"],
      commands: [ctdbx("resource ls", askedWords(facts))],
    })];
  },
};

const RESOURCE_PAUSED: Rule = {
  id: "resource_paused",
  cause: "A program fails with a resource, or hangs",
  evidence: "which resources, and which programs",
  next: "other programs get them; it is given them again 10 s after it failed, or when it goes on",
  command: "ctdbx resource history",
  explainsHere: [],
  explainsAll: ["resource_free"],
  find: (facts) =>
    withWord(facts).flatMap(({ name, inside: { resources }, outside }) => {
      if (resources === undefined || resources.paused.count === 0) return [];
      const { count, first } = resources.paused;
      const programs = [...new Set(first.map(({ program }) => program))];
      const of = (command: string) =>
        ctdbx(
          outside === undefined ? `${command} -n ${shellWord(name)}` : command,
          outside?.words ?? askedWords(facts),
        );
      return [found({
        node: name,
        title: `Programs of ${name} fail or hang with ${some(first.map((one) => one.name), count)}`,
        severity: "warning",
        evidence: [
          `these are ${listed(programs)}`,
          `programs of ${name} offer ${counted(resources.offered, "resource", "resources")}`,
        ],
        next: ["others get them, if there are any; what failed is offered to it again after 10 s"],
        commands: [of("resource history"), of("resource programs")],
      })];
    }),
};

/** Late: what is wrong with nodes is why their programs own nothing. */
export const RESOURCE_RULES: readonly Rule[] = [RESOURCE_PAUSED, RESOURCE_FREE];
