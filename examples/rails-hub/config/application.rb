# The whole Rails application: pages, and Action Cable as a publisher only, from the system's gems (no Bundler).
require "action_controller/railtie"
require "action_view/railtie"
require "action_cable/engine"

module RailsHub
  class Application < Rails::Application
    config.load_defaults 6.1
    config.root = File.expand_path("..", __dir__)
    config.eager_load = true

    # The daemon has the same key: with it, it verifies the stream names that this application signs.
    config.secret_key_base = ENV.fetch("SECRET_KEY_BASE")

    # The daemon turns each line of this into a line of its own log.
    $stdout.sync = true
    config.logger = ActiveSupport::Logger.new($stdout)
    config.log_level = :info

    # No route leads to an Action Cable server. Pages find the daemon's cable at this path.
    config.action_cable.mount_path = nil
    config.action_cable.url = "/cable"
  end
end
