// Asks skylike about a FITS file without its protos: they come by server reflection.
//
//   node analyze.mjs HOST:PORT COLLECTION FILE.fits
//
// Prints what reflection told and the answer of Analyze as JSON.

import { readFile } from 'node:fs/promises';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor/index.js';

// Of grpc.reflection.v1, the one protocol that has to be known, what is asked here.
const REFLECTION = `
  syntax = "proto3";
  package grpc.reflection.v1;
  service ServerReflection {
    rpc ServerReflectionInfo(stream ServerReflectionRequest)
      returns (stream ServerReflectionResponse);
  }
  message ServerReflectionRequest {
    oneof message_request {
      string file_by_filename = 3;
      string file_containing_symbol = 4;
      string list_services = 7;
    }
  }
  message ServerReflectionResponse {
    oneof message_response {
      FileDescriptorResponse file_descriptor_response = 4;
      ListServiceResponse list_services_response = 6;
      ErrorResponse error_response = 7;
    }
  }
  message FileDescriptorResponse { repeated bytes file_descriptor_proto = 1; }
  message ListServiceResponse { repeated ServiceResponse service = 1; }
  message ServiceResponse { string name = 1; }
  message ErrorResponse { int32 error_code = 1; string error_message = 2; }
`;
const READ = { longs: String, enums: String, bytes: String };
const MOST_BYTES = 64 * 2 ** 20;

/** One question to the server's reflection, and its answer. */
function reflect(client, question) {
  return new Promise((resolve, reject) => {
    const call = client.ServerReflectionInfo();
    call.on('data', (answer) => {
      if (answer.errorResponse) reject(new Error(answer.errorResponse.errorMessage));
      else resolve(answer);
      call.end();
    });
    call.on('error', reject);
    call.write(question);
  });
}

/** The file that holds a symbol, and all that it imports. */
async function filesOf(client, symbol) {
  const files = new Map();
  const questions = [{ fileContainingSymbol: symbol }];
  while (questions.length) {
    const answer = await reflect(client, questions.shift());
    for (const bytes of answer.fileDescriptorResponse.fileDescriptorProto) {
      const file = descriptor.FileDescriptorProto.decode(bytes);
      files.set(file.name, file);
    }
    const wanted = [...files.values()].flatMap((file) => file.dependency);
    const missing = wanted.filter((name) => !files.has(name));
    questions.push(...missing.slice(0, 1).map((name) => ({ fileByFilename: name })));
  }
  return descriptor.FileDescriptorSet.encode({ file: [...files.values()] }).finish();
}

const [address, collection, path] = process.argv.slice(2);
const plain = grpc.credentials.createInsecure();

const known = loader.fromJSON(protobuf.parse(REFLECTION).root.toJSON());
const Reflection = grpc.loadPackageDefinition(known).grpc.reflection.v1.ServerReflection;
const reflection = new Reflection(address, plain);
const listed = await reflect(reflection, { listServices: '' });
const services = listed.listServicesResponse.service.map(({ name }) => name);
const files = await filesOf(reflection, 'skylike.v1.SearchService');
reflection.close();

const learned = loader.loadFileDescriptorSetFromBuffer(Buffer.from(files), READ);
const { SearchService } = grpc.loadPackageDefinition(learned).skylike.v1;
const client = new SearchService(address, plain, {
  'grpc.max_receive_message_length': MOST_BYTES,
});
const fits = await readFile(path);
const request = { collection, k: 5, thumbnails: true, query: { cutout: { fits } } };
const answer = await new Promise((resolve, reject) => {
  const deadline = Date.now() + 30_000;
  client.Analyze(request, { deadline }, (error, reply) => {
    if (error) reject(error);
    else resolve(reply);
  });
});
client.close();

const methods = Object.keys(SearchService.service);
console.log(JSON.stringify({ services, methods, answer }));
