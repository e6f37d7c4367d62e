// What a Go test binary needs around it in a browser: a file system to read its
// testdata from, somewhere to write, and a start. It is loaded before Go's own
// wasm_exec.js, which fills in what is missing here, and serves window and worker.
"use strict";

// Files come from the server when they are opened: 204 is a missing one, JSON
// the names in a folder, anything else the file's bytes.
globalThis.fs = (() => {
  const open = new Map(); // by descriptor
  let next = 3;
  const failure = (code) => Object.assign(new Error(code), { code });

  async function fetchEntry(path) {
    const response = await fetch("fs?path=" + encodeURIComponent(path));
    if (response.status !== 200) throw failure(response.status === 204 ? "ENOENT" : "EIO");
    if (response.headers.get("Content-Type") === "application/json") return { names: await response.json() };
    return { bytes: new Uint8Array(await response.arrayBuffer()), at: 0 };
  }

  function stat(entry) {
    const size = entry.names ? 0 : entry.bytes.length;
    return {
      dev: 0, ino: 0, nlink: 1, uid: 0, gid: 0, rdev: 0, blksize: 4096, blocks: 0, atimeMs: 0, mtimeMs: 0, ctimeMs: 0,
      mode: entry.names ? 0o040555 : 0o100444,
      size,
      isDirectory: () => Boolean(entry.names),
    };
  }

  // Go passes a callback(error, result) last.
  const answer = (promise, callback) => promise.then((v) => callback(null, v), (e) => callback(e.code ? e : failure("EIO")));
  const refuse = (...args) => args.at(-1)(failure("EROFS"));

  const files = {
    constants: { O_WRONLY: 1, O_RDWR: 2, O_CREAT: 64, O_EXCL: 128, O_TRUNC: 512, O_APPEND: 1024, O_DIRECTORY: 65536 },
    line: console.log, // where a line of output goes
    tail: "",

    writeSync(fd, bytes) {
      const lines = (files.tail + new TextDecoder().decode(bytes)).split("\n");
      files.tail = lines.pop();
      if (lines.length > 0) files.line(lines.join("\n"));
      return bytes.length;
    },
    write(fd, bytes, offset, length, position, callback) {
      callback(null, files.writeSync(fd, bytes.subarray(offset, offset + length)));
    },
    open(path, flags, mode, callback) {
      if (flags & ~files.constants.O_DIRECTORY) return refuse(callback);
      answer(fetchEntry(path).then((entry) => {
        open.set(next, entry);
        return next++;
      }), callback);
    },
    close(fd, callback) {
      open.delete(fd);
      callback(null);
    },
    read(fd, buffer, offset, length, position, callback) {
      const entry = open.get(fd);
      if (!entry?.bytes) return callback(failure(entry ? "EISDIR" : "EBADF"));
      const from = position ?? entry.at;
      const part = entry.bytes.subarray(from, from + length);
      buffer.set(part, offset);
      if (position === null) entry.at += part.length;
      callback(null, part.length);
    },
    fstat(fd, callback) {
      const entry = open.get(fd);
      entry ? callback(null, stat(entry)) : callback(failure("EBADF"));
    },
    stat(path, callback) {
      answer(fetchEntry(path).then(stat), callback);
    },
    lstat(path, callback) {
      files.stat(path, callback);
    },
    readdir(path, callback) {
      answer(fetchEntry(path).then(({ names }) => names ?? Promise.reject(failure("ENOTDIR"))), callback);
    },
    fsync(fd, callback) {
      callback(null);
    },
  };
  for (const name of ["chmod", "chown", "fchmod", "fchown", "ftruncate", "lchown", "link", "mkdir", "readlink", "rename", "rmdir", "symlink", "truncate", "unlink", "utimes"]) {
    files[name] = refuse;
  }
  return files;
})();

globalThis.process = {
  pid: 1, ppid: 0, umask: () => 0, cwd: () => "/", chdir() {},
  getuid: () => 0, getgid: () => 0, geteuid: () => 0, getegid: () => 0, getgroups: () => [],
};

// run runs the test binary to its end and resolves to its exit code. Its last line
// says how many pipelines were compiled, which is what takes the time there.
async function run({ args, env }, line) {
  let pipelines = 0;
  const { createComputePipelineAsync } = GPUDevice.prototype;
  GPUDevice.prototype.createComputePipelineAsync = function (descriptor) {
    pipelines++;
    return createComputePipelineAsync.call(this, descriptor);
  };
  fs.line = line;
  const go = new Go();
  go.argv = ["test", ...args];
  go.env = env;
  let code = 0;
  go.exit = (c) => { code = c; };
  const { instance } = await WebAssembly.instantiateStreaming(fetch("test.wasm"), go.importObject);
  await go.run(instance);
  if (fs.tail) line(fs.tail);
  line(`pipelines: ${pipelines}`);
  return code;
}

if (typeof importScripts === "function") {
  importScripts("wasm_exec.js");
  onmessage = async ({ data }) => {
    try {
      postMessage({ code: await run(data, (text) => postMessage({ line: text })) });
    } catch (e) {
      postMessage({ line: String(e) });
      postMessage({ code: 2 });
    }
  };
}
