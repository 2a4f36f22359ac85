class MessagesController < ActionController::Base
  def index
  end

  # Broadcasts one message in two ways. 204 leaves the browser on the page that it shows.
  def create
    text = params.require(:text)

    # To NewsChannel, which "streams.channels" of the daemon maps to this stream. There is no such Ruby class.
    ActionCable.server.broadcast("news:weather", { text: text })

    # To a Turbo stream, whose name the page has with a signature.
    ActionCable.server.broadcast("messages", render_to_string(partial: "append", locals: { text: text }))

    head :no_content
  end
end
