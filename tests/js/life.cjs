// A user's way through the openEO JavaScript client. Prints one line of JSON with what it saw; the caller checks it.
//
//   node life.cjs URL USER PASSWORD COLLECTION
//
// The client is found by NODE_PATH.

const { OpenEO, FileTypes } = require("@openeo/js-client");

async function text(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

async function until(job, statuses) {
  for (let i = 0; i < 300; i++) {
    await job.describeJob();
    if (statuses.includes(job.status)) return job.status;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the job stays ${job.status}`);
}

async function main([url, user, password, collection]) {
  const seen = {};
  const connection = await OpenEO.connect(url);
  const capabilities = connection.capabilities();
  seen.apiVersion = capabilities.apiVersion();
  seen.features = ["listJobs", "createJob", "computeResult", "estimateJob", "debugJob", "stopJob", "updateJob"].filter(
    (name) => capabilities.hasFeature(name),
  );
  seen.collections = (await connection.listCollections()).collections.map((c) => c.id);
  const pages = connection.listCollectionItems(collection, [-180, -90, 180, 90], [new Date(0), null], 5);
  seen.items = (await pages.nextPage()).map((item) => item.collection);
  seen.processes = (await connection.listProcesses()).processes.length;
  seen.formats = (await connection.listFileTypes()).getOutputTypes ? "read" : "no";

  const providers = await connection.listAuthProviders();
  const basic = providers.find((provider) => provider.getType() === "basic");
  await basic.login(user, password);
  seen.user = (await connection.describeAccount()).user_id;

  const builder = await connection.buildProcess();
  const cube = builder.load_collection(collection, null, null, ["B04", "B08"]);
  const ndvi = builder.ndvi(cube, "nir", "red");
  const reducer = function (data) {
    return this.max(data);
  };
  const greenest = builder.reduce_dimension(ndvi, reducer, "t");
  const saved = builder.save_result(greenest, "GTiff");

  seen.errors = (await connection.validateProcess({ process_graph: { a: { process_id: "nothing", arguments: {}, result: true } } })).map(
    (error) => error.code,
  );
  const result = await connection.computeResult(saved, null, null, { log_level: "info" });
  seen.sync = { type: result.type, costs: result.costs, logs: result.logs.length, size: (await text(result.data)).length };

  const job = await connection.createJob(saved, "From JavaScript", null, null, null, { job_options: { a: 1 } });
  seen.created = job.status;
  seen.estimate = (await job.estimateJob()).costs;
  await job.updateJob({ title: "Renamed" });
  await job.startJob();
  seen.status = await until(job, ["finished", "error", "canceled"]);
  seen.title = job.title;
  const results = await job.getResultsAsStac();
  seen.stac = results.type;
  const assets = await job.listResults();
  seen.assets = [];
  for (const asset of assets) {
    // As the client itself fetches it: without a token.
    const answer = await connection.download(asset.href, false);
    seen.assets.push({ href: asset.href.split("/").pop(), type: asset.type, bytes: (await text(answer)).length });
  }
  const log = await job.debugJob();
  const entries = await log.nextLogs();
  seen.log = entries.length > 0 && entries.map((entry) => typeof entry.id === "string" && typeof entry.message === "string").every(Boolean);
  seen.listed = (await connection.listJobs()).some((other) => other.id === job.id);

  const wrong = await connection.createJob({ process_graph: { a: { process_id: "nothing", arguments: {}, result: true } } });
  await wrong.startJob();
  seen.failed = await until(wrong, ["finished", "error"]);
  try {
    await wrong.getResultsAsStac();
    seen.refusal = null;
  } catch (error) {
    seen.refusal = error.message;
  }
  await wrong.deleteJob();
  await job.deleteJob();
  try {
    await job.describeJob();
    seen.gone = null;
  } catch (error) {
    seen.gone = error.code;
  }
  console.log(JSON.stringify(seen));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
