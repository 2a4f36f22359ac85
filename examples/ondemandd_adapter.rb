# frozen_string_literal: true

# An Action Cable subscription adapter that publishes to a cable of ondemandd by HTTP: no Redis, no gem.
#
# Copy this file to lib/action_cable/subscription_adapter/ondemandd.rb of a Rails application, and name it in
# config/cable.yml:
#
#   production:
#     adapter: ondemandd
#     url: http://127.0.0.1:3000/_broadcast
#     key: "<%= ENV["CABLE_BROADCAST_KEY"] %>"
#
# `url` is the broadcast endpoint of the cable, `key` its `broadcast.key`; an empty key is none. Optional keys are
# `open_timeout` and `read_timeout` in seconds, and `retry_delays`, the seconds before each further attempt.
#
# The adapter only publishes. The daemon serves the WebSockets, so the application must not run an Action Cable server
# (config.action_cable.mount_path = nil). docs/CABLE.md has the steps.

require "json"
require "net/http"
require "uri"

module ActionCable
  module SubscriptionAdapter
    class Ondemandd < Base
      # A broadcast that was not accepted, or a call that the daemon replaces.
      class Error < StandardError; end

      OPEN_TIMEOUT = 1
      READ_TIMEOUT = 5
      # Long enough for a restart of the daemon, short enough for a web request that broadcasts.
      RETRY_DELAYS = [0.1, 0.4, 1.5].freeze
      # An idle connection is used again within this many seconds. The daemon closes idle connections after 75.
      KEEP_ALIVE_TIMEOUT = 30
      # Idle connections of one process; each thread that broadcasts at the same time needs one.
      MAX_IDLE_CONNECTIONS = 8

      # No connection, or one that ended without a response. A daemon that ended has no client that could get the
      # message twice. A read timeout is not among them: the message may have been delivered.
      CONNECTION_ERRORS = [SystemCallError, SocketError, IOError, Net::OpenTimeout].freeze

      REMEDIES = {
        "401" => "Set `key` in config/cable.yml to `broadcast.key` of the cable.",
        "403" => "Set `broadcast.key` of the cable, and the same `key` in config/cable.yml.",
        "404" => "Set `url` in config/cable.yml to `broadcast.path` of the cable.",
        "413" => "Raise `broadcast.max_body_bytes` of the cable, or send less."
      }.freeze

      def initialize(*)
        super
        settings = server.config.cable.to_h.transform_keys(&:to_s)
        @uri = endpoint(settings["url"].to_s)

        @headers = { "Content-Type" => "application/json" }
        @headers["Authorization"] = "Bearer #{settings["key"]}" unless settings["key"].to_s.empty?
        @open_timeout = settings.fetch("open_timeout", OPEN_TIMEOUT)
        @read_timeout = settings.fetch("read_timeout", READ_TIMEOUT)
        @retry_delays = Array(settings.fetch("retry_delays", RETRY_DELAYS))
        @idle = Queue.new
      end

      # `payload` is JSON as text, and stays text inside of "data": Action Cable clients get its content.
      def broadcast(channel, payload)
        if channel.start_with?("action_cable/")
          raise Error, "ondemandd does not serve remote_connections; call ActionCable.server.pubsub.disconnect"
        end

        post(JSON.generate("stream" => channel, "data" => payload))
      end

      # Ends the connections whose token has these identifiers in its claim `ext`, character by character.
      def disconnect(identifier, reconnect: true)
        payload = { "identifier" => identifier, "reconnect" => reconnect }
        post(JSON.generate("command" => "disconnect", "payload" => payload))
      end

      def subscribe(channel, *)
        raise Error, "cannot subscribe to #{channel}: the cable of ondemandd serves the WebSockets; route the cable's " \
                     "path to the daemon, and set config.action_cable.mount_path = nil"
      end

      # Nothing was subscribed.
      def unsubscribe(*)
      end

      def shutdown
        while (connection = idle_connection)
          finish(connection)
        end
      end

      private

      def endpoint(text)
        uri = URI.parse(text)
        return uri if uri.is_a?(URI::HTTP) && uri.hostname

        raise Error, "`url` in config/cable.yml is not the HTTP URL of a broadcast endpoint: #{text.inspect}"
      rescue URI::InvalidURIError
        raise Error, "`url` in config/cable.yml is not a URL: #{text.inspect}"
      end

      def post(body)
        delays = @retry_delays.dup
        begin
          response = request(body)
        rescue *CONNECTION_ERRORS => error
          delay = delays.shift
          unless delay
            attempts = @retry_delays.size + 1
            raise Error, "no connection to ondemandd at #{@uri} in #{attempts} attempts: #{error.message}"
          end
          sleep delay
          retry
        rescue Net::ReadTimeout, Net::WriteTimeout
          raise Error, "no response from #{@uri} within #{@read_timeout} s; the broadcast may have been delivered"
        end
        return if response.is_a?(Net::HTTPSuccess)

        raise Error, "#{@uri} rejected the broadcast with #{response.code}: " +
                     [response.body.to_s.strip, REMEDIES[response.code]].compact.join(" ")
      end

      # One request on a connection that no other thread uses meanwhile.
      def request(body)
        connection = idle_connection || connect
        response = connection.post(@uri.request_uri, body, @headers)
        @idle.size < MAX_IDLE_CONNECTIONS ? @idle << [Process.pid, connection] : finish(connection)
        response
      rescue StandardError
        finish(connection) if connection
        raise
      end

      # Connections that a fork has inherited belong to the parent.
      def idle_connection
        loop do
          pid, connection = @idle.pop(true)
          return connection if pid == Process.pid
        end
      rescue ThreadError # The queue is empty.
      end

      def connect
        connection = Net::HTTP.new(@uri.hostname, @uri.port, nil)
        connection.use_ssl = @uri.scheme == "https"
        connection.open_timeout = @open_timeout
        connection.read_timeout = @read_timeout
        connection.write_timeout = @read_timeout
        connection.keep_alive_timeout = KEEP_ALIVE_TIMEOUT
        connection.start
      end

      def finish(connection)
        connection.finish if connection.started?
      rescue IOError # It ended meanwhile.
      end
    end
  end
end
