// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.benchmarks;

import io.thriftscore.client.ScoreResult;
import io.thriftscore.client.ThriftscoreClient;
import io.thriftscore.idl.DataType;
import io.thriftscore.idl.ScoreRequest;
import io.thriftscore.idl.ScoreResponse;
import io.thriftscore.idl.ScoringService;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.apache.thrift.TException;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.transport.TSocket;
import org.apache.thrift.transport.TTransport;
import org.apache.thrift.transport.layered.TFramedTransport;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * One call of {@code score} with one row, by this client and by the stock one: with JMH's profiler
 * {@code gc}, what each allocates.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class ScoreBenchmark {

  /** What is asked for, and of whom. */
  @State(Scope.Benchmark)
  public static class Call {
    @Param("127.0.0.1:9090")
    public String endpoint;

    @Param("iris")
    public String model;

    @Param("4")
    public int features;

    private float[] row;
    private ThriftscoreClient client;

    /** Connects. */
    @Setup(Level.Trial)
    public void connect() {
      row = new float[features];
      Arrays.fill(row, 0.5f);
      client = ThriftscoreClient.connect(endpoint);
    }

    /** Disconnects. */
    @TearDown(Level.Trial)
    public void close() {
      client.close();
    }
  }

  /** A thread's own client of the stock kind, which threads cannot share. */
  @State(Scope.Thread)
  public static class Stock {
    private TTransport transport;
    private ScoringService.Client client;

    /** Connects. */
    @Setup(Level.Trial)
    public void connect(Call call) throws TException {
      int colon = call.endpoint.lastIndexOf(':');
      String host = call.endpoint.substring(0, colon);
      int port = Integer.parseInt(call.endpoint.substring(colon + 1));
      transport = new TFramedTransport(new TSocket(host, port));
      transport.open();
      client = new ScoringService.Client(new TBinaryProtocol(transport, true, true));
    }

    /** Disconnects. */
    @TearDown(Level.Trial)
    public void close() {
      transport.close();
    }
  }

  /** This client. */
  @Benchmark
  public ScoreResult thriftscore(Call call) {
    return call.client.score(call.model, call.row);
  }

  /** The stock one, with what its user has to write. */
  @Benchmark
  public float[] generated(Call call, Stock stock) throws TException {
    ByteBuffer features =
        ByteBuffer.allocate(call.row.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    features.asFloatBuffer().put(call.row);
    ScoreRequest request = new ScoreRequest().setModel_name(call.model).setFeatures(features);
    ScoreResponse response = stock.client.score(request.setDatatype(DataType.FP32));
    float[] scores = new float[response.getScores().length / Float.BYTES];
    ByteBuffer.wrap(response.getScores())
        .order(ByteOrder.LITTLE_ENDIAN)
        .asFloatBuffer()
        .get(scores);
    return scores;
  }
}
