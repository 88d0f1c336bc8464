import XCTest

@testable import YourApp  // the module of the app that holds Tokenizer.swift

/// The cases that Python and JavaScript are tested with: `tests/captions.json`, a resource of the
/// test target.
final class TokenizerTests: XCTestCase {
  private struct Shared: Decodable {
    struct Case: Decodable {
      let caption: String
      let tokens: [Int32]
    }
    let max_words: Int
    let vocabulary: [String]
    let cases: [Case]
  }

  func testTokensAreThoseOfTheOtherLanguages() throws {
    let bundle = Bundle(for: TokenizerTests.self)
    let file = try XCTUnwrap(bundle.url(forResource: "captions", withExtension: "json"))
    let shared = try JSONDecoder().decode(Shared.self, from: Data(contentsOf: file))
    let tokenizer = Tokenizer(words: shared.vocabulary, maxWords: shared.max_words)
    for one in shared.cases {
      XCTAssertEqual(tokenizer.encode(one.caption), one.tokens, one.caption)
    }
  }
}
