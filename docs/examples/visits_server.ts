// A web server that counts the visits of its pages, together with its like on other nodes.
import { createServer } from "node:http";
import process from "node:process";
import { connect } from "ctdbx";

const cluster = await connect();
const visits = await cluster.attach("visits");
const server = createServer(async (request, response) => {
  try {
    const count = await visits.increment(request.url ?? "/");
    response.end(`${request.url}: ${count} visits, says ${cluster.name}\n`);
  } catch (error) {
    response.statusCode = 503;
    response.end(`${error}\n`);
  }
});
server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
  const { port } = server.address() as { port: number };
  console.log(`${cluster.name} serves http://127.0.0.1:${port}/`);
});
process.once("SIGTERM", async () => {
  server.close();
  await cluster.close();
});
