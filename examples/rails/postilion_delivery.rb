# frozen_string_literal: true

require "json"
require "net/http"
require "securerandom"
require "socket"

# Hands ActionMailer's and Mail's messages to Postilion, by JSON over its Unix
# socket, with nothing but Ruby's own library. In Rails, in an initializer:
#
#   ActionMailer::Base.add_delivery_method :postilion, PostilionDelivery
#   config.action_mailer.delivery_method = :postilion
#
# Settings: socket, token, connection, timeout (seconds).
class PostilionDelivery
  # What the daemon, or the way to it, has against a message.
  class Error < StandardError
    attr_reader :code, :reason, :fields

    def initialize(message, code: "unavailable", reason: nil, fields: [])
      super(message)
      @code = code
      @reason = reason
      @fields = fields
    end
  end

  attr_accessor :settings

  def initialize(settings = {})
    @settings = {
      socket: ENV["POSTILION_SOCKET"] || "/run/postilion/postilion-http.sock", token: ENV["POSTILION_TOKEN"], timeout: 5
    }.merge(settings)
  end

  # Returns when the message is on stable storage. The idempotency key makes
  # the repetition safe when the answer was lost.
  def deliver!(mail)
    recipients = Array(mail.smtp_envelope_to).map { |address| { address: address } }
    body = JSON.generate(
      connection: settings[:connection].to_s, idempotencyKey: SecureRandom.uuid,
      raw: { content: [mail.encoded].pack("m0"), envelope: { from: mail.smtp_envelope_from.to_s, recipients: recipients } }
    )
    begin
      post(body)
    rescue SystemCallError, IOError, Timeout::Error
      sleep 0.1
      begin
        post(body)
      rescue SystemCallError, IOError, Timeout::Error => e
        raise Error, "Postilion cannot be reached at #{settings[:socket]}: #{e.message}"
      end
    end
  end

  private

  def post(body)
    headers = { "Content-Type" => "application/json" }
    headers["Authorization"] = "Bearer #{settings[:token]}" unless settings[:token].to_s.empty?
    request = Net::HTTP::Post.new("/postilion.v1.MailerService/Send", headers)
    request.body = body
    response = over_socket(request)
    answer = JSON.parse(response.body)
    return answer if response.is_a?(Net::HTTPOK)

    detail = (answer["details"] || []).find { |d| d["type"] == "postilion.v1.ErrorDetail" } || {}
    detail = detail["debug"] || {}
    raise Error.new(answer["message"], code: answer["code"], reason: detail["reason"], fields: detail["fields"] || [])
  end

  # Net::HTTP knows no Unix sockets, but speaks over any.
  def over_socket(request)
    UNIXSocket.open(settings[:socket]) do |unix|
      socket = Net::BufferedIO.new(unix, read_timeout: settings[:timeout], write_timeout: settings[:timeout])
      request["Host"] = "localhost"
      request["Connection"] = "close"
      request.exec(socket, "1.1", request.path)
      response = Net::HTTPResponse.read_new(socket)
      response.reading_body(socket, true) { response.body }
      response
    end
  end
end
