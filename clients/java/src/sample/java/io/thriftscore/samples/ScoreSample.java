// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.samples;

import io.thriftscore.client.Matrix;
import io.thriftscore.client.ScoreResult;
import io.thriftscore.client.ThriftscoreClient;
import io.thriftscore.client.ThriftscoreException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.thrift.TException;

/** Scores one row from the command line, or the rows of a CSV file, and prints the scores. */
public final class ScoreSample {
  private static final String USAGE =
      """
      usage: thriftscore-sample HOST:PORT MODEL VALUE...
             thriftscore-sample HOST:PORT MODEL --rows FILE.csv
             thriftscore-sample bench --endpoint HOST:PORT --model MODEL --rows FILE.csv
                                      [--single N]
             thriftscore-sample compare --endpoint HOST:PORT --model MODEL --row VALUE,...
                                        [--seconds S] [--warm-up S] [--rounds N]
      """;

  private ScoreSample() {}

  public static void main(String[] arguments) throws Exception {
    try {
      run(arguments);
    } catch (ThriftscoreException | IllegalArgumentException | IOException failure) {
      System.err.println("error: " + failure.getMessage());
      System.exit(1);
    }
  }

  private static void run(String[] arguments)
      throws IOException, TException, InterruptedException, ExecutionException {
    if (arguments.length > 0 && arguments[0].equals("bench")) {
      System.out.println(Bench.run(Arrays.copyOfRange(arguments, 1, arguments.length)));
    } else if (arguments.length > 0 && arguments[0].equals("compare")) {
      System.out.println(Comparison.run(flags(arguments)));
    } else if (arguments.length > 2) {
      print(arguments[0], arguments[1], rows(Arrays.copyOfRange(arguments, 2, arguments.length)));
    } else {
      throw new IllegalArgumentException("two arguments or more are needed\n" + USAGE);
    }
  }

  private static Map<String, String> flags(String[] arguments) {
    Map<String, String> flags =
        new HashMap<>(Map.of("--seconds", "1", "--warm-up", "3", "--rounds", "5"));
    for (int index = 1; index + 1 < arguments.length; index += 2) {
      flags.put(arguments[index], arguments[index + 1]);
    }
    if (!flags.keySet().containsAll(Set.of("--endpoint", "--model", "--row"))) {
      throw new IllegalArgumentException("compare needs --endpoint, --model and --row");
    }
    return flags;
  }

  private static Matrix rows(String[] arguments) throws IOException {
    if (arguments[0].equals("--rows") && arguments.length == 2) {
      return CsvRows.read(Path.of(arguments[1]));
    }
    return Matrix.of(CsvRows.parse(String.join(",", arguments)));
  }

  private static void print(String endpoint, String model, Matrix rows) {
    try (ThriftscoreClient client = ThriftscoreClient.connect(endpoint)) {
      ScoreResult result = client.score(model, rows);
      Matrix scores = result.scores();
      System.out.println("model " + model + " version " + result.modelVersion());
      for (int row = 0; row < scores.rows(); row++) {
        StringBuilder line = new StringBuilder("row " + row + ":");
        for (int column = 0; column < scores.columns(); column++) {
          line.append(' ').append(scores.get(row, column));
        }
        System.out.println(line);
      }
    }
  }
}
