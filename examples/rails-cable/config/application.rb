# The whole Rails application: Action Cable and nothing else, from the system's gems (no Bundler).
require "action_cable/engine"
require "securerandom"

module RailsCable
  class Application < Rails::Application
    config.load_defaults 6.1
    config.root = File.expand_path("..", __dir__)
    config.eager_load = true

    # Nothing here signs or encrypts for longer than one process lives, so a fresh key per boot is as good as a kept one.
    config.secret_key_base = ENV.fetch("SECRET_KEY_BASE") { SecureRandom.hex(64) }

    # The launcher turns each line of this into a line of its own log.
    $stdout.sync = true
    config.logger = ActiveSupport::Logger.new($stdout)
    config.log_level = :info

    # Stand-alone: cable/config.ru runs the server itself, so there is no Rails route to mount it on.
    config.action_cable.mount_path = nil

    # A browser's Origin must name the Host it asked for. This is the default, written out because a proxy that
    # rewrites Host or Origin breaks it. A client that sends no Origin at all is refused (404) like a foreign one:
    # what is not a browser sends the Origin itself. Do not switch the check off for convenience.
    config.action_cable.allow_same_origin_as_host = true

    # Pages from elsewhere are let in by name: "https://www.example https://admin.example". The daemon's status page, which
    # can open a WebSocket to try, is such a page, because it has a port of its own.
    config.action_cable.allowed_request_origins = ENV.fetch("ALLOWED_ORIGINS", "").split
  end
end
