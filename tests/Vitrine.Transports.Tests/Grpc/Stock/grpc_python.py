# grpcio as a client of our server (`client ADDRESS DESCRIPTORS [CERTIFICATE]`: a line for each check, exit code 0 when all hold) and as a
# server for our client (`server DESCRIPTORS`: its port on the first line, then a line when a call is cancelled).
# DESCRIPTORS is a file with a google.protobuf.FileDescriptorSet.
import sys
import threading
import time
import traceback
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


class Messages:
    def __init__(self, files):
        self.pool = descriptor_pool.DescriptorPool()
        for file in files:
            self.pool.Add(file)
        self.factory = message_factory.MessageFactory(self.pool)

    def __getitem__(self, name):
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName(name))


def read(path):
    files = descriptor_pb2.FileDescriptorSet()
    with open(path, 'rb') as source:
        files.ParseFromString(source.read())
    return Messages(files.file)


class Service:
    """Methods of a service, as a channel calls them."""

    def __init__(self, channel, messages, name):
        service = messages.pool.FindServiceByName(name)
        for method in service.methods:
            proto = descriptor_pb2.MethodDescriptorProto()
            method.CopyToProto(proto)
            kind = f"{'stream' if proto.client_streaming else 'unary'}_{'stream' if proto.server_streaming else 'unary'}"
            reply = messages[method.output_type.full_name]
            setattr(self, method.name, getattr(channel, kind)(
                f'/{name}/{method.name}', request_serializer=lambda message: message.SerializeToString(), response_deserializer=reply.FromString))


def fails(code, call):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, error
        return error
    raise AssertionError('it did not fail')


class Checks:
    def __init__(self, address, messages, certificate):
        self.messages = messages
        self.connect = lambda **options: (
            grpc.secure_channel(address, grpc.ssl_channel_credentials(open(certificate, 'rb').read()),
                                options=[('grpc.ssl_target_name_override', 'localhost')], **options)
            if certificate else grpc.insecure_channel(address, **options))
        self.channel = self.connect()
        self.echo = Service(self.channel, messages, 'vitrine.v1.Echo')
        self.request = messages['vitrine.v1.EchoRequest']

    def check_unary(self):
        assert self.echo.Unary(self.request(payload=b'payload')).payload == b'payload'

    def check_server_stream(self):
        replies = list(self.echo.ServerStream(self.request(payload=b'p', reply_count=1000)))
        assert [reply.sequence for reply in replies] == list(range(1000))

    def check_client_stream(self):
        reply = self.echo.ClientStream(self.request(payload=b'%d' % i) for i in range(100))
        assert (reply.requests, reply.payload) == (100, b'99')

    def check_duplex(self):
        turn = threading.Semaphore()

        def requests():
            for i in range(50):
                turn.acquire()
                yield self.request(payload=b'%d' % i)

        for i, reply in enumerate(self.echo.Duplex(requests())):
            assert reply.payload == b'%d' % i
            turn.release()

    def check_deadline(self):
        fails(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: self.echo.Unary(self.request(delay_micros=60_000_000), timeout=0.2))

    def check_deadline_kept(self):
        self.echo.Unary(self.request(payload=b'p'), timeout=30)

    def check_cancel(self):
        done = threading.Event()

        def requests():
            yield self.request(payload=b'p')
            done.wait()

        call = self.echo.Duplex(requests())
        assert next(call).payload == b'p'
        call.cancel()
        fails(grpc.StatusCode.CANCELLED, lambda: next(call))
        done.set()

    def check_details(self):
        message = 'größer als 100 %\n日本'
        error = fails(grpc.StatusCode.FAILED_PRECONDITION, lambda: self.echo.Unary(
            self.request(failure={'code': 9, 'message': message, 'detail': b'detail'})))
        assert error.details() == message, error.details()
        status = self.messages['google.rpc.Status'].FromString(dict(error.trailing_metadata())['grpc-status-details-bin'])
        assert (status.code, status.message) == (9, message)
        reply = self.messages['vitrine.v1.EchoReply']()
        assert status.details[0].Unpack(reply) and reply.payload == b'detail'

    def check_failure_after_answers(self):
        call = self.echo.Duplex(iter([self.request(payload=b'p'), self.request(failure={'code': 15, 'message': 'late'})]))
        assert next(call).payload == b'p'
        fails(grpc.StatusCode.DATA_LOSS, lambda: next(call))

    def check_metadata(self):
        reply, call = self.echo.Unary.with_call(self.request(), metadata=(
            ('echo-text', 'one two'), ('echo-some-bin', b'\x00\xff\x01'), ('echo-trailer-text', 'after'), ('echo-trailer-some-bin', b'\x07')))
        head, trailers = dict(call.initial_metadata()), dict(call.trailing_metadata())
        assert head['echo-text'] == 'one two' and head['echo-some-bin'] == b'\x00\xff\x01', head
        assert trailers['echo-trailer-text'] == 'after' and trailers['echo-trailer-some-bin'] == b'\x07', trailers

    def check_gzip(self):
        with self.connect(compression=grpc.Compression.Gzip) as channel:
            echo = Service(channel, self.messages, 'vitrine.v1.Echo')
            payload = b'text' * 25_000
            assert echo.Unary(self.request(payload=payload)).payload == payload
            assert [reply.payload for reply in echo.ServerStream(self.request(payload=payload, reply_count=3))] == [payload] * 3

    def check_large(self):
        payload = bytes(3 << 20)
        assert self.echo.Unary(self.request(payload=payload)).payload == payload

    def check_too_large(self):
        fails(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: self.echo.Unary(self.request(payload=bytes(5 << 20))))

    def check_unknown_method(self):
        fails(grpc.StatusCode.UNIMPLEMENTED, lambda: self.channel.unary_unary('/vitrine.v1.Echo/Nothing')(b''))

    def check_health(self):
        health = Service(self.channel, self.messages, 'grpc.health.v1.Health')
        ask = self.messages['grpc.health.v1.HealthCheckRequest']
        assert health.Check(ask()).status == 1
        assert health.Check(ask(service='vitrine.v1.Echo')).status == 1
        fails(grpc.StatusCode.NOT_FOUND, lambda: health.Check(ask(service='nothing')))
        watch = health.Watch(ask(service='nothing'))
        assert next(watch).status == 3
        watch.cancel()

    def check_reflection(self):
        for version in ('v1', 'v1alpha'):
            package = f'grpc.reflection.{version}'
            reflection = Service(self.channel, self.messages, f'{package}.ServerReflection')
            ask = self.messages[f'{package}.ServerReflectionRequest']
            services, files, nothing = reflection.ServerReflectionInfo(iter([
                ask(list_services='*'), ask(file_containing_symbol='vitrine.v1.Echo'), ask(file_by_filename='nothing')]))
            assert 'vitrine.v1.Echo' in [service.name for service in services.list_services_response.service]
            assert nothing.error_response.error_code == 5
            found = Messages(descriptor_pb2.FileDescriptorProto.FromString(file) for file in files.file_descriptor_response.file_descriptor_proto)
            dynamic = Service(self.channel, found, 'vitrine.v1.Echo')
            assert dynamic.Unary(found['vitrine.v1.EchoRequest'](payload=b'p')).payload == b'p'


def client(address, descriptors, certificate=None):
    checks = Checks(address, read(descriptors), certificate)
    failures = 0
    for name in [name for name in dir(checks) if name.startswith('check_')]:
        try:
            getattr(checks, name)()
            print('ok', name[6:], flush=True)
        except Exception:
            failures += 1
            print('FAILED', name[6:], traceback.format_exc(), flush=True)
    checks.channel.close()
    sys.exit(1 if failures else 0)


def server(descriptors):
    messages = read(descriptors)
    request_type, reply_type = messages['vitrine.v1.EchoRequest'], messages['vitrine.v1.EchoReply']

    def begin(context):
        pairs = [pair for pair in context.invocation_metadata() if pair[0].startswith('echo-')]
        context.send_initial_metadata([pair for pair in pairs if not pair[0].startswith('echo-trailer-')])
        trailers = [pair for pair in pairs if pair[0].startswith('echo-trailer-')]
        context.set_trailing_metadata(trailers)
        if ('echo-watch', 'end') in pairs:  # the end is told, whatever it is: a cancelled stream may look as if it were complete
            context.add_callback(lambda: print('cancelled', flush=True))
        return trailers

    def fail(context, failure, trailers):
        if failure.detail:
            status = messages['google.rpc.Status'](code=failure.code, message=failure.message)
            status.details.add().Pack(reply_type(payload=failure.detail))
            context.set_trailing_metadata(trailers + [('grpc-status-details-bin', status.SerializeToString())])
        context.abort(next(code for code in grpc.StatusCode if code.value[0] == failure.code), failure.message)

    def unary(request, context):
        trailers = begin(context)
        end = time.monotonic() + request.delay_micros / 1e6
        while context.is_active() and time.monotonic() < end:
            time.sleep(0.01)
        if request.HasField('failure'):
            fail(context, request.failure, trailers)
        return reply_type(payload=request.payload, requests=1)

    def server_stream(request, context):
        begin(context)
        for i in range(request.reply_count):
            yield reply_type(payload=request.payload, sequence=i)

    def client_stream(requests, context):
        trailers, count, last = begin(context), 0, None
        for request in requests:
            count, last = count + 1, request
            if request.HasField('failure'):
                fail(context, request.failure, trailers)
        return reply_type(payload=last.payload if last else b'', requests=count)

    def duplex(requests, context):
        trailers, count = begin(context), 0
        for request in requests:
            count += 1
            if request.HasField('failure'):
                fail(context, request.failure, trailers)
            yield reply_type(payload=request.payload, requests=count)

    kinds = {'Unary': (grpc.unary_unary_rpc_method_handler, unary), 'ServerStream': (grpc.unary_stream_rpc_method_handler, server_stream),
             'ClientStream': (grpc.stream_unary_rpc_method_handler, client_stream), 'Duplex': (grpc.stream_stream_rpc_method_handler, duplex)}
    listener = grpc.server(futures.ThreadPoolExecutor(max_workers=32), compression=grpc.Compression.Gzip)
    listener.add_generic_rpc_handlers((grpc.method_handlers_generic_handler('vitrine.v1.Echo', {
        name: make(behaviour, request_deserializer=request_type.FromString, response_serializer=lambda message: message.SerializeToString())
        for name, (make, behaviour) in kinds.items()}),))
    port = listener.add_insecure_port('127.0.0.1:0')
    listener.start()
    print(port, flush=True)
    sys.stdin.read()  # ends when whoever started it is gone
    listener.stop(0)


if __name__ == '__main__':
    {'client': client, 'server': server}[sys.argv[1]](*sys.argv[2:])
