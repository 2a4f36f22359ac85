Rails.application.routes.draw do
  root to: "messages#index"
  resources :messages, only: :create

  # Rails' own JavaScript client, as the package ships it.
  get "action_cable.js", to: Rack::Files.new(ActionCable::Engine.root.join("app/assets/javascripts").to_s)
end
