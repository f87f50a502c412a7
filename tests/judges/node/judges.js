// Servers in Node. `node judges.js NAME` starts one; each says which models it would serve, as `README.md` describes.

"use strict";

const http = require("node:http");
const path = require("node:path");
const { createRequire } = require("node:module");
// The packages are not beside this file: `make test-judges` installs them under target/.
const install = createRequire(path.join(process.env.JUDGES_NODE, "package.json"));

/** The line that a judge writes for a request, which is its answer too. */
function verdict(models, read, type) {
  const line = `served ${models.flat(Infinity).map(String).join(",") || "nothing"} by ${read} of ${type}`;
  console.log(line);
  return line;
}

function listening(server) {
  server.listen(0, "127.0.0.1", () => console.log(`listening on 127.0.0.1:${server.address().port}`));
}

/** All that a reader made of a form, an object or neither has under `model`. */
function named(source) {
  const value = source?.model;
  if (value === undefined || value === null) return [];
  return typeof value === "object" ? Object.values(value) : [value];
}

/** By content type, with body-parser and multer. */
function express() {
  const framework = install("express");
  const application = framework();
  application.use(framework.json(), framework.urlencoded({ extended: true }), install("multer")().any());
  application.use((request, response) => {
    const files = (request.files ?? []).filter((file) => file.fieldname === "model").map((file) => file.buffer);
    const models = [...named(request.query), ...named(request.body), ...files];
    response.type("text").send(verdict(models, "parser", request.get("content-type")));
  });
  application.use((error, request, response, _next) => {
    response.status(error.status ?? 500).type("text").send(verdict([], "nobody", request.get("content-type")));
  });
  listening(http.createServer(application));
}

/** By content type, with the plugins for both kinds of forms. */
function fastify() {
  const application = install("fastify")();
  application.register(install("@fastify/formbody"));
  application.register(install("@fastify/multipart"), { attachFieldsToBody: "keyValues" });
  application.all("/*", async (request, reply) => {
    const models = [...named(request.query), ...named(request.body)];
    reply.type("text/plain");
    return verdict(models, "parser", request.headers["content-type"]);
  });
  application.setErrorHandler((error, request, reply) => {
    reply.code(error.statusCode ?? 500).type("text/plain");
    reply.send(verdict([], "nobody", request.headers["content-type"]));
  });
  application.listen({ port: 0, host: "127.0.0.1" }).then((address) => console.log(address.replace("http://", "listening on ")));
}

/** Node's own server, with busboy where it takes the content type for that of a form. */
function busboy() {
  const reader = install("busboy");
  listening(
    http.createServer((request, response) => {
      const type = request.headers["content-type"];
      const models = [];
      const answer = (read) => response.headersSent || response.end(verdict(models, read, type));
      let form;
      try {
        form = reader({ headers: request.headers });
      } catch {
        const chunks = [];
        request.on("data", (chunk) => chunks.push(chunk));
        request.on("end", () => {
          try {
            models.push(...named(JSON.parse(Buffer.concat(chunks))));
          } catch {}
          answer("json");
        });
        return;
      }
      form.on("field", (name, value) => name === "model" && models.push(value));
      form.on("file", (name, stream) => {
        if (name !== "model") return stream.resume();
        stream.on("data", (chunk) => models.push(chunk));
      });
      form.on("error", () => answer("form"));
      form.on("close", () => answer("form"));
      request.pipe(form);
    }),
  );
}

({ express, fastify, busboy })[process.argv[2]]();
