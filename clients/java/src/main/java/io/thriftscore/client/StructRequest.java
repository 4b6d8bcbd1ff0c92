// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.ErrorCode;
import io.thriftscore.idl.ScoringError;
import java.io.IOException;
import java.net.ProtocolException;
import java.nio.ByteBuffer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.thrift.TApplicationException;
import org.apache.thrift.TBase;
import org.apache.thrift.TException;
import org.apache.thrift.TFieldIdEnum;
import org.apache.thrift.protocol.TMessage;
import org.apache.thrift.protocol.TMessageType;

/** A request by way of the generated structs, which is the way of every method but one. */
final class StructRequest<T extends TBase<T, F>, F extends TFieldIdEnum, R> extends Request<R> {
  private static final int SUCCESS_FIELD = 0;
  private static final int ERROR_FIELD = 1;

  private final MessageCodec codec;
  private final Function<CallContext, TBase<?, ?>> arguments;
  private final Supplier<T> reply;
  private final ReplyReader<T, R> reader;
  private final long tensorBytes;

  /** What a call sends, with the bytes of its tensors where they may be many; how to read it. */
  record Form<T, R>(
      Function<CallContext, TBase<?, ?>> arguments,
      Supplier<T> reply,
      ReplyReader<T, R> reader,
      long tensorBytes) {

    Form(
        Function<CallContext, TBase<?, ?>> arguments,
        Supplier<T> reply,
        ReplyReader<T, R> reader) {
      this(arguments, reply, reader, 0);
    }
  }

  StructRequest(
      MessageCodec codec, String method, String model, CallOptions options, Form<T, R> form) {
    super(method, model, options);
    this.codec = codec;
    this.arguments = form.arguments();
    this.reply = form.reply();
    this.reader = form.reader();
    this.tensorBytes = form.tensorBytes();
  }

  @Override
  int approximateBytes() {
    return (int) Math.min(tensorBytes, Integer.MAX_VALUE);
  }

  @Override
  OutgoingMessage message(int sequence, CallContext context) throws TException {
    codec.requireFits(method, tensorBytes); // before they are copied
    TMessage begin = new TMessage(method, TMessageType.CALL, sequence);
    return new EncodedMessage(codec.encode(begin, arguments.apply(context)));
  }

  @Override
  R read(byte[] message, int sequence) throws TException, IOException {
    T received = reply.get();
    try {
      codec.decode(message, new TMessage(method, TMessageType.CALL, sequence), received);
    } catch (TApplicationException refusal) {
      throw translated(refusal);
    }
    F error = received.fieldForId(ERROR_FIELD);
    if (received.isSet(error)) {
      throw (ScoringError) received.getFieldValue(error);
    }
    if (!received.isSet(received.fieldForId(SUCCESS_FIELD))) {
      throw new ProtocolException("it has neither a result nor an error");
    }
    return reader.read(received);
  }

  /** An unknown method is an answer like any other; other refusals leave nothing to rely on. */
  private TException translated(TApplicationException refusal) {
    if (refusal.getType() != TApplicationException.UNKNOWN_METHOD) {
      return refusal;
    }
    return new ScoringError()
        .setCode(ErrorCode.UNIMPLEMENTED)
        .setMessage("the server has no method " + method);
  }

  /** A message whose bytes are there. */
  private record EncodedMessage(ByteBuffer encoded) implements OutgoingMessage {

    @Override
    public int bytes() {
      return encoded.limit();
    }

    @Override
    public void writeTo(FrameOutput output) throws IOException {
      output.put(encoded.duplicate());
    }
  }
}
