// @grpc/grpc-js as a client of our server (`client ADDRESS PROTOS [CERTIFICATE]`: a line for each check, exit code 0 when all hold)
// and as a server for our client (`server PROTOS`: its port on the first line, then a line when a call is cancelled).
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const options = { keepCase: true, longs: Number, defaults: true };
const status = grpc.status;

function load(protos, file) {
  return loader.loadSync(file, { ...options, includeDirs: [protos] });
}

async function client(address, protos, certificate) {
  const credentials = certificate ? grpc.credentials.createSsl(fs.readFileSync(certificate)) : grpc.credentials.createInsecure();
  const names = certificate ? { 'grpc.ssl_target_name_override': 'localhost' } : {};
  const { Echo } = grpc.loadPackageDefinition(load(protos, 'vitrine/v1/echo.proto')).vitrine.v1;
  const echo = new Echo(address, credentials, names);
  const payload = Buffer.from('payload');

  const unary = (on, request, metadata = new grpc.Metadata(), callOptions = {}) => new Promise((resolve, reject) =>
    on.Unary(request, metadata, callOptions, (error, reply) => (error ? reject(error) : resolve(reply))));
  const fails = async (promise, code) => {
    const error = await promise.then(() => assert.fail('it did not fail'), (reason) => reason);
    assert.strictEqual(error.code, code, error.message);
    return error;
  };
  const collect = (call) => new Promise((resolve, reject) => {
    const replies = [];
    call.on('data', (reply) => replies.push(reply)).on('error', reject).on('end', () => resolve(replies));
  });
  const next = (call) => new Promise((resolve, reject) => {
    call.once('error', reject);
    call.once('data', (reply) => { call.off('error', reject); resolve(reply); });
  });

  const checks = {
    async unary() {
      assert.deepStrictEqual((await unary(echo, { payload })).payload, payload);
    },
    async serverStream() {
      const replies = await collect(echo.ServerStream({ payload, reply_count: 1000 }));
      assert.deepStrictEqual(replies.map((reply) => reply.sequence), [...Array(1000).keys()]);
    },
    async clientStream() {
      const reply = await new Promise((resolve, reject) => {
        const call = echo.ClientStream((error, answer) => (error ? reject(error) : resolve(answer)));
        for (let i = 0; i < 100; i++) call.write({ payload: Buffer.from(`${i}`) });
        call.end();
      });
      assert.deepStrictEqual([reply.requests, reply.payload.toString()], [100, '99']);
    },
    async duplex() {
      const call = echo.Duplex();
      for (let i = 0; i < 50; i++) {
        call.write({ payload: Buffer.from(`${i}`) });
        assert.strictEqual((await next(call)).payload.toString(), `${i}`);
      }
      call.end();
      assert.deepStrictEqual(await collect(call), []);
    },
    async deadline() {
      await fails(unary(echo, { delay_micros: 60_000_000 }, new grpc.Metadata(), { deadline: Date.now() + 200 }), status.DEADLINE_EXCEEDED);
    },
    async deadlineKept() {
      await unary(echo, { payload }, new grpc.Metadata(), { deadline: Date.now() + 30_000 });
    },
    async cancel() {
      const call = echo.Duplex();
      call.write({ payload });
      await next(call);
      call.cancel();
      await fails(collect(call), status.CANCELLED);
    },
    async details() {
      const error = await fails(unary(echo, { failure: { code: status.FAILED_PRECONDITION, message: 'größer als 100 %\n日本', detail: payload } }), status.FAILED_PRECONDITION);
      assert.strictEqual(error.details, 'größer als 100 %\n日本');
      const decode = loadType(protos, 'google/rpc/status.proto', 'google.rpc.Status');
      const decoded = decode(error.metadata.get('grpc-status-details-bin')[0]);
      assert.strictEqual(decoded.code, status.FAILED_PRECONDITION);
      assert.strictEqual(decoded.details[0].type_url ?? decoded.details[0]['@type'], 'type.googleapis.com/vitrine.v1.EchoReply');
    },
    async failureAfterAnswers() {
      const call = echo.Duplex();
      call.write({ payload });
      await next(call);
      call.write({ failure: { code: status.DATA_LOSS, message: 'late' } });
      await fails(collect(call), status.DATA_LOSS);
    },
    async metadata() {
      const metadata = new grpc.Metadata();
      metadata.set('echo-text', 'one two');
      metadata.set('echo-some-bin', Buffer.from([0, 255, 1]));
      metadata.set('echo-trailer-text', 'after');
      metadata.set('echo-trailer-some-bin', Buffer.from([7]));
      const [head, tail] = await new Promise((resolve, reject) => {
        let first;
        const call = echo.Unary({ payload }, metadata, (error) => error && reject(error));
        call.on('metadata', (came) => { first = came; });
        call.on('status', (end) => resolve([first, end.metadata]));
      });
      assert.deepStrictEqual(head.get('echo-text'), ['one two']);
      assert.deepStrictEqual(head.get('echo-some-bin'), [Buffer.from([0, 255, 1])]);
      assert.deepStrictEqual(tail.get('echo-trailer-text'), ['after']);
      assert.deepStrictEqual(tail.get('echo-trailer-some-bin'), [Buffer.from([7])]);
    },
    async gzip() {
      const zipped = new Echo(address, credentials, { ...names, 'grpc.default_compression_algorithm': 2 });
      const large = Buffer.alloc(100_000, 'text');
      assert.deepStrictEqual((await unary(zipped, { payload: large })).payload, large);
      const replies = await collect(zipped.ServerStream({ payload: large, reply_count: 3 }));
      assert.strictEqual(replies.length, 3);
      zipped.close();
    },
    async deflate() {
      const deflated = new Echo(address, credentials, { ...names, 'grpc.default_compression_algorithm': 1 });
      await fails(unary(deflated, { payload: Buffer.alloc(2000) }), status.UNIMPLEMENTED);
      deflated.close();
    },
    async large() {
      const large = Buffer.alloc(3 << 20, 1);
      assert.deepStrictEqual((await unary(echo, { payload: large })).payload, large);
    },
    async tooLarge() {
      await fails(unary(echo, { payload: Buffer.alloc(5 << 20) }), status.RESOURCE_EXHAUSTED);
    },
    async unknownMethod() {
      await fails(new Promise((resolve, reject) => echo.makeUnaryRequest('/vitrine.v1.Echo/Nothing', (value) => value, (value) => value,
        Buffer.alloc(0), (error, value) => (error ? reject(error) : resolve(value)))), status.UNIMPLEMENTED);
    },
    async health() {
      const { Health } = grpc.loadPackageDefinition(load(protos, 'grpc/health/v1/health.proto')).grpc.health.v1;
      const health = new Health(address, credentials, names);
      const check = (service) => new Promise((resolve, reject) => health.Check({ service }, (error, reply) => (error ? reject(error) : resolve(reply.status))));
      assert.strictEqual(await check(''), 1);
      assert.strictEqual(await check('vitrine.v1.Echo'), 1);
      await fails(check('nothing'), status.NOT_FOUND);
      const watch = health.Watch({ service: 'nothing' });
      assert.strictEqual((await next(watch)).status, 3);
      watch.on('error', () => {});
      watch.cancel();
      health.close();
    },
    async reflection() {
      for (const version of ['v1', 'v1alpha']) {
        const { ServerReflection } = grpc.loadPackageDefinition(load(protos, `grpc/reflection/${version}/reflection.proto`)).grpc.reflection[version];
        const reflection = new ServerReflection(address, credentials, names);
        const call = reflection.ServerReflectionInfo();
        call.write({ list_services: '*' });
        const services = (await next(call)).list_services_response.service.map((service) => service.name);
        assert.ok(services.includes('vitrine.v1.Echo') && services.includes('grpc.health.v1.Health'), services.join());
        call.write({ file_containing_symbol: 'vitrine.v1.Echo' });
        const files = (await next(call)).file_descriptor_response.file_descriptor_proto;
        call.write({ file_containing_symbol: 'nothing' });
        assert.strictEqual((await next(call)).error_response.error_code, status.NOT_FOUND);
        call.end();
        await collect(call);
        reflection.close();

        // A client that knows nothing else can call: a FileDescriptorSet has the files as field 1.
        const set = Buffer.concat(files.flatMap((file) => [Buffer.from([0x0a]), varint(file.length), file]));
        const found = grpc.loadPackageDefinition(loader.loadFileDescriptorSetFromBuffer(set, options)).vitrine.v1.Echo;
        const dynamic = new found(address, credentials, names);
        assert.deepStrictEqual((await unary(dynamic, { payload })).payload, payload);
        dynamic.close();
      }
    },
  };

  let failures = 0;
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log(`ok ${name}`);
    } catch (error) {
      failures++;
      console.log(`FAILED ${name}: ${error.stack}`);
    }
  }
  echo.close();
  process.exit(failures === 0 ? 0 : 1);
}

function varint(value) {
  const bytes = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return Buffer.from([...bytes, value]);
}

function loadType(protos, file, name) {
  const protobuf = require('protobufjs');
  const root = new protobuf.Root();
  root.resolvePath = (origin, target) => (protobuf.common.get(target) ? target : `${protos}/${target}`);
  root.loadSync(file, { keepCase: true });
  const type = root.lookupType(name);
  return (bytes) => type.decode(bytes);
}

function encodeType(protos, file, name) {
  const protobuf = require('protobufjs');
  const root = new protobuf.Root();
  root.resolvePath = (origin, target) => (protobuf.common.get(target) ? target : `${protos}/${target}`);
  root.loadSync(file, { keepCase: true });
  const type = root.lookupType(name);
  return (value) => Buffer.from(type.encode(type.create(value)).finish());
}

function server(protos) {
  const { Echo } = grpc.loadPackageDefinition(load(protos, 'vitrine/v1/echo.proto')).vitrine.v1;
  const encodeStatus = encodeType(protos, 'google/rpc/status.proto', 'google.rpc.Status');
  const encodeReply = encodeType(protos, 'vitrine/v1/echo.proto', 'vitrine.v1.EchoReply');

  function begin(call) {
    const head = new grpc.Metadata();
    const trailers = new grpc.Metadata();
    for (const name of Object.keys(call.metadata.getMap())) {
      if (!name.startsWith('echo-')) continue;
      for (const value of call.metadata.get(name)) (name.startsWith('echo-trailer-') ? trailers : head).add(name, value);
    }
    call.sendMetadata(head);
    call.on('cancelled', () => console.log('cancelled'));
    return trailers;
  }
  function failureOf(request, trailers) {
    const { code, message, detail } = request.failure;
    if (detail.length > 0) {
      trailers.set('grpc-status-details-bin', encodeStatus({ code, message, details: [{ type_url: 'type.googleapis.com/vitrine.v1.EchoReply', value: encodeReply({ payload: detail }) }] }));
    }
    return { code, details: message, metadata: trailers };
  }
  const wait = (request) => new Promise((resolve) => setTimeout(resolve, request.delay_micros / 1000));

  const listener = new grpc.Server();
  listener.addService(Echo.service, {
    async Unary(call, callback) {
      const trailers = begin(call);
      await wait(call.request);
      if (call.request.failure) callback(failureOf(call.request, trailers));
      else callback(null, { payload: call.request.payload, requests: 1 }, trailers);
    },
    async ServerStream(call) {
      const trailers = begin(call);
      for (let i = 0; i < call.request.reply_count; i++) {
        if (!call.write({ payload: call.request.payload, sequence: i })) await new Promise((resolve) => call.once('drain', resolve));
      }
      call.end(trailers);
    },
    ClientStream(call, callback) {
      const trailers = begin(call);
      let requests = 0;
      let last;
      call.on('data', (request) => {
        requests++;
        last = request;
        if (request.failure) callback(failureOf(request, trailers));
      });
      call.on('end', () => callback(null, { payload: last?.payload, requests }, trailers));
      call.on('error', () => {});
    },
    Duplex(call) {
      const trailers = begin(call);
      let requests = 0;
      call.on('data', (request) => {
        if (request.failure) call.emit('error', failureOf(request, trailers));
        else call.write({ payload: request.payload, requests: ++requests });
      });
      call.on('end', () => call.end(trailers));
    },
  });
  listener.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(port);
  });
  process.stdin.resume().on('end', () => process.exit(0)); // whoever started it is gone
}

const [mode, ...rest] = process.argv.slice(2);
if (mode === 'client') client(...rest);
else server(...rest);
