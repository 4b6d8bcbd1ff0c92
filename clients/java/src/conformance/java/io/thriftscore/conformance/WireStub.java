// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import io.thriftscore.client.WireFraming;
import io.thriftscore.client.WireProtocol;
import java.time.Duration;
import org.apache.thrift.TBase;
import org.apache.thrift.TConfiguration;
import org.apache.thrift.TException;
import org.apache.thrift.TServiceClient;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.protocol.TCompactProtocol;
import org.apache.thrift.protocol.TMessage;
import org.apache.thrift.protocol.TMessageType;
import org.apache.thrift.protocol.TProtocol;
import org.apache.thrift.transport.TSocket;
import org.apache.thrift.transport.TTransport;
import org.apache.thrift.transport.layered.TFramedTransport;

/**
 * The stock Thrift client over the stock socket and framed transport. Only the arguments are
 * written from JSON, since a generated struct cannot hold an enum value that is not defined.
 */
final class WireStub extends TServiceClient implements AutoCloseable {

  private WireStub(TProtocol protocol) {
    super(protocol);
  }

  static WireStub connect(String endpoint, Combination combination, Duration timeout)
      throws TException {
    int colon = endpoint.lastIndexOf(':');
    int port = Integer.parseInt(endpoint.substring(colon + 1));
    TTransport socket =
        new TSocket(
            TConfiguration.DEFAULT, endpoint.substring(0, colon), port, (int) timeout.toMillis());
    TTransport transport =
        combination.framing() == WireFraming.FRAMED ? new TFramedTransport(socket) : socket;
    transport.open();
    return new WireStub(
        combination.protocol() == WireProtocol.BINARY
            ? new TBinaryProtocol(transport, true, true)
            : new TCompactProtocol(transport));
  }

  void call(
      String method, Class<?> argumentsType, JsonNode arguments, TBase<?, ?> reply)
      throws TException {
    oprot_.writeMessageBegin(new TMessage(method, TMessageType.CALL, ++seqid_));
    new JsonStructWriter(oprot_).writeStruct(argumentsType, arguments);
    oprot_.writeMessageEnd();
    oprot_.getTransport().flush();
    receiveBase(reply, method);
  }

  @Override
  public void close() {
    oprot_.getTransport().close();
  }
}
