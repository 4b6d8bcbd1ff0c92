// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.thriftscore.idl.DataType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** A server process of this repository with the models of the conformance cases. */
final class RealServer {
  private static final long START_TIMEOUT_SECONDS = 60;
  private static final Path ROOT = Path.of(System.getProperty("thriftscore.root")).normalize();

  private final Path folder;
  private final Process process;
  private final String endpoint;

  private RealServer(Path folder, Process process, String endpoint) {
    this.folder = folder;
    this.process = process;
    this.endpoint = endpoint;
  }

  static RealServer start() throws IOException, InterruptedException {
    Path folder = Files.createTempDirectory("thriftscore-java-");
    Path python = ROOT.resolve(".venv/bin/python");
    Path models = ROOT.resolve("tests/conformance/models.py");
    Path repository = folder.resolve("repository");
    Path ready = folder.resolve("ready.json");
    Process made = run(folder, List.of(python, models, repository));
    if (!made.waitFor(START_TIMEOUT_SECONDS, TimeUnit.SECONDS) || made.exitValue() != 0) {
      throw new IOException("no models were made: " + output(folder));
    }
    Process process =
        run(
            folder,
            List.of(
                ROOT.resolve(".venv/bin/thriftscore"),
                "serve",
                "--repository", repository,
                "--port", 0,
                "--admin-port", 0,
                "--unix-socket", folder.resolve("socket"),
                "--ready-file", ready));
    int port = awaitPort(folder, process, ready);
    return new RealServer(folder, process, "127.0.0.1:" + port);
  }

  String unixEndpoint() {
    return "unix:" + folder.resolve("socket");
  }

  String endpoint() {
    return endpoint;
  }

  /** The scores of the embedded engine, in a process of its own, for a model of float32. */
  float[] scoresOfTheEngine(String model, float[] features, int columns)
      throws IOException, InterruptedException {
    Path rows = folder.resolve("rows");
    Path scores = folder.resolve("scores");
    Files.write(rows, LittleEndian.pack(features));
    String program =
        """
        import sys
        import numpy
        import thriftscore
        model, columns, rows, scores = sys.argv[1:]
        features = numpy.fromfile(rows, "<f4").reshape(-1, int(columns))
        thriftscore.load(model).score(features).astype("<f4").tofile(scores)
        """;
    Path file = folder.resolve("repository/" + model + "/1/model.safetensors");
    Process made =
        run(folder, List.of(ROOT.resolve(".venv/bin/python"), "-c", program, file, columns, rows,
            scores));
    if (!made.waitFor(START_TIMEOUT_SECONDS, TimeUnit.SECONDS) || made.exitValue() != 0) {
      throw new IOException("the engine did not score: " + output(folder));
    }
    byte[] bytes = Files.readAllBytes(scores);
    Matrix values =
        LittleEndian.unpack(
            ByteBuffer.wrap(bytes), DataType.FP32, bytes.length / Float.BYTES, 1);
    return ((FloatMatrix) values).data();
  }

  private static Process run(Path folder, List<Object> command) throws IOException {
    return new ProcessBuilder(command.stream().map(Object::toString).toList())
        .redirectErrorStream(true)
        .redirectOutput(folder.resolve("output").toFile())
        .start();
  }

  private static int awaitPort(Path folder, Process process, Path ready)
      throws IOException, InterruptedException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_TIMEOUT_SECONDS);
    while (!Files.exists(ready)) {
      if (process.waitFor(20, TimeUnit.MILLISECONDS) || System.nanoTime() > end) {
        process.destroyForcibly();
        throw new IOException("the server did not start: " + output(folder));
      }
    }
    return new ObjectMapper().readTree(ready.toFile()).get("port").intValue();
  }

  private static String output(Path folder) throws IOException {
    return Files.readString(folder.resolve("output"));
  }

  void stop() throws IOException, InterruptedException {
    process.destroy();
    if (!process.waitFor(START_TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
      process.destroyForcibly().waitFor();
    }
    try (Stream<Path> files = Files.walk(folder)) {
      files.sorted(Comparator.reverseOrder()).forEach(RealServer::delete);
    }
  }

  private static void delete(Path file) {
    try {
      Files.delete(file);
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }
}
