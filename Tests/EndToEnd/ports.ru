# Tells each client which connection Puma read its request from.
run(lambda do |env|
  port = env["puma.socket"].peeraddr[1].to_s
  [200, { "Content-Length" => port.bytesize.to_s }, [port]]
end)
