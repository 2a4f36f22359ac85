# Answers each performed action on the same connection, without Redis; `process` tells which generation answered.
class EchoChannel < ApplicationCable::Channel
  def echo(data)
    transmit({ "echo" => data["text"], "process" => Process.pid })
  end
end
