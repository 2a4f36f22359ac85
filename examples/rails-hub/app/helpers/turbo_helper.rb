# The signature of turbo-rails, which is not among Debian's packages. With the gem, `turbo_stream_from "messages"` does this.
module TurboHelper
  def signed_stream_name(name)
    key = Rails.application.key_generator.generate_key("turbo/signed_stream_verifier_key")
    ActiveSupport::MessageVerifier.new(key, digest: "SHA256", serializer: JSON).generate(name)
  end
end
