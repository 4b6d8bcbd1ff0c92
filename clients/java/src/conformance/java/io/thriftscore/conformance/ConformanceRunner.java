// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.thriftscore.client.ClientOptions;
import io.thriftscore.client.ThriftscoreClient;
import io.thriftscore.client.WireProtocol;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Runs the conformance cases against a server; its command line is in the cases' README. */
public final class ConformanceRunner {
  private static final Duration TIMEOUT = Duration.ofSeconds(10);

  private final ClientCases client;
  private final WireCases wire;

  private ConformanceRunner(ClientCases client, WireCases wire) {
    this.client = client;
    this.wire = wire;
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, String> flags = flags(arguments);
    String endpoint = flags.get("endpoint");
    String cases = flags.get("cases");
    if (endpoint == null || cases == null || !flags.get("transport").equals("framed")) {
      System.err.println(
          "usage: conformance-runner --cases FILE --endpoint HOST:PORT"
              + " [--protocol binary|compact] [--transport framed]");
      System.exit(2);
    }
    WireProtocol protocol = WireProtocol.valueOf(flags.get("protocol").toUpperCase(Locale.ROOT));
    ClientOptions options =
        ClientOptions.DEFAULT.withProtocol(protocol).withTimeout(TIMEOUT);
    try (ThriftscoreClient client = ThriftscoreClient.connect(endpoint, options);
        WireStub stub = WireStub.connect(endpoint, protocol, TIMEOUT)) {
      var runner = new ConformanceRunner(new ClientCases(client), new WireCases(stub));
      System.exit(runner.run(new ObjectMapper().readTree(Path.of(cases).toFile())) ? 0 : 1);
    }
  }

  private static Map<String, String> flags(String[] arguments) {
    Map<String, String> flags = new HashMap<>(Map.of("protocol", "binary", "transport", "framed"));
    for (int index = 0; index + 1 < arguments.length; index += 2) {
      flags.put(arguments[index].replaceFirst("^--", ""), arguments[index + 1]);
    }
    return flags;
  }

  private boolean run(JsonNode cases) {
    int failed = 0;
    for (JsonNode item : cases) {
      List<String> faults = faults(item);
      String name = item.get("name").textValue();
      System.out.println(
          faults.isEmpty() ? "PASS " + name : "FAIL " + name + ": " + String.join("; ", faults));
      failed += faults.isEmpty() ? 0 : 1;
    }
    System.out.printf("%d passed, %d failed%n", cases.size() - failed, failed);
    return failed == 0;
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
