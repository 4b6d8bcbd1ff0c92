// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.thriftscore.client.ThriftscoreClient;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.thrift.TException;

/** Runs the conformance cases against a server; its command line is in the cases' README. */
public final class ConformanceRunner {
  private static final int PIPELINED_THREADS = 8;

  private final Combination combination;
  private final ClientCases client;
  private final WireCases wire;
  private final boolean namesCombination;

  private ConformanceRunner(
      Combination combination, ThriftscoreClient client, WireStub stub, boolean namesCombination) {
    this.combination = combination;
    this.client = new ClientCases(client, combination.style() == Combination.Style.ASYNC);
    this.wire = new WireCases(stub);
    this.namesCombination = namesCombination;
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, String> flags = Flags.of(arguments);
    String endpoint = flags.get("endpoint");
    String cases = flags.get("cases");
    if (endpoint == null || cases == null) {
      System.err.println(
          "usage: conformance-runner --cases FILE --endpoint HOST:PORT"
              + " [--protocol binary|compact] [--transport framed|unframed]"
              + " [--combinations TRANSPORT/PROTOCOL/STYLE,...]");
      System.exit(2);
    }
    JsonNode all = new ObjectMapper().readTree(Path.of(cases).toFile());
    String list = flags.get("combinations");
    int passed = 0;
    int failed = 0;
    for (Combination combination : combinations(flags)) {
      List<Boolean> results = run(combination, endpoint, all, list != null);
      int good = (int) results.stream().filter(Boolean::booleanValue).count();
      passed += good;
      failed += results.size() - good;
    }
    System.out.printf("%d passed, %d failed%n", passed, failed);
    System.exit(failed == 0 ? 0 : 1);
  }

  private static List<Combination> combinations(Map<String, String> flags) {
    String single =
        flags.getOrDefault("transport", "framed")
            + "/"
            + flags.getOrDefault("protocol", "binary")
            + "/sync";
    return Arrays.stream(flags.getOrDefault("combinations", single).split(","))
        .map(Combination::parse)
        .toList();
  }

  private static List<Boolean> run(
      Combination combination, String endpoint, JsonNode cases, boolean namesCombination)
      throws TException, InterruptedException, ExecutionException {
    try (ThriftscoreClient client = ThriftscoreClient.connect(endpoint, combination.options());
        WireStub stub = WireStub.connect(endpoint, combination, Combination.TIMEOUT)) {
      return new ConformanceRunner(combination, client, stub, namesCombination).run(cases);
    }
  }

  private List<Boolean> run(JsonNode cases) throws InterruptedException, ExecutionException {
    boolean pipelined = combination.style() == Combination.Style.PIPELINED;
    ExecutorService threads = Executors.newFixedThreadPool(pipelined ? PIPELINED_THREADS : 1);
    List<Future<Boolean>> running = new ArrayList<>();
    for (JsonNode item : cases) {
      boolean viaClient = item.get("via").textValue().equals("client");
      if (viaClient || combination.style() == Combination.Style.SYNC) {
        running.add(threads.submit(() -> passes(item)));
      }
    }
    threads.shutdown();
    List<Boolean> results = new ArrayList<>();
    for (Future<Boolean> one : running) {
      results.add(one.get());
    }
    return results;
  }

  private boolean passes(JsonNode item) {
    List<String> faults = faults(item);
    String name = (namesCombination ? combination + " " : "") + item.get("name").textValue();
    System.out.println(
        faults.isEmpty() ? "PASS " + name : "FAIL " + name + ": " + String.join("; ", faults));
    return faults.isEmpty();
  }

  private List<String> faults(JsonNode item) {
    try {
      return Expectation.faults(item.get("expect"), answer(item));
    } catch (Exception unexpected) {
      return List.of(unexpected.toString());
    }
  }

  private ObjectNode answer(JsonNode item) throws IOException, ReflectiveOperationException {
    String method = item.get("method").textValue();
    return switch (item.get("via").textValue()) {
      case "client" -> client.answer(method, item.get("args"));
      case "wire" -> wire.answer(method, item.get("args"));
      default -> throw new IllegalArgumentException("unknown via " + item.get("via"));
    };
  }
}
