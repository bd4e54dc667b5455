<?php

declare(strict_types=1);

namespace Postilion\Tests;

use PhpParser\Node;
use PhpParser\NodeFinder;
use PhpParser\ParserFactory;
use PHPUnit\Framework\TestCase;

/**
 * The package runs on PHP 7.4, which is not there to try it: it has no syntax
 * and calls no function that came later, but where it asks for it first.
 */
final class SyntaxTest extends TestCase
{
    /** Functions of PHP 8 that come to mind; fsync is asked for. */
    private const LATER = [
        'str_contains', 'str_starts_with', 'str_ends_with', 'get_debug_type', 'get_resource_id', 'fdiv',
        'array_is_list',
        'array_find', 'array_any', 'array_all', 'array_first', 'array_last', 'json_validate', 'mb_trim', 'mb_str_pad',
        'fdatasync', 'ini_parse_quantity', 'curl_upkeep',
    ];

    /** @return iterable<string, array{string}> */
    public function files(): iterable
    {
        $root = dirname(__DIR__);
        $found = new \RecursiveIteratorIterator(new \RecursiveDirectoryIterator("$root/src"));
        foreach ($found as $file) {
            if ($file->getExtension() === 'php') {
                yield substr($file->getPathname(), strlen($root)) => [$file->getPathname()];
            }
        }
        yield '/autoload.php' => ["$root/autoload.php"];
    }

    /** @dataProvider files */
    public function testFile(string $file): void
    {
        self::assertSame([], self::later((string) file_get_contents($file)));
    }

    /** That the test above can fail. */
    public function testWhatIsLater(): void
    {
        foreach (
            [
                'match ($a) { 1 => 2 };', '$a?->b();', 'function f(int|string $a) {}', 'f(a: 1);', '#[A] class B {}',
                'class A { function __construct(private $a) {} }', 'enum A {}', 'class A { readonly int $a; }',
                'function f(): static {}', 'function f(mixed $a) {}', '$a = $b ?? throw $c;', 'try {} catch (A) {}',
                'str_contains($a, $b);', 'strlen(...);', 'function f(): never {}', 'function f($a,) {}',
                'class A { function f(): static {} }', 'final class A { final const B = 1; }', 'readonly class A {}',
            ] as $code
        ) {
            self::assertNotSame([], self::later("<?php $code"), $code);
        }
        self::assertSame([], self::later('<?php class A { private ?int $a = 1; function f(?A $a): self { f($a,); } }'));
    }

    /** @return string[] what came after PHP 7.4 */
    private static function later(string $code): array
    {
        require_once '/usr/share/php/PhpParser/autoload.php';
        $found = [];
        if (preg_match('/\bfunction\b[^(]*\([^()]*,\s*\)/', $code) === 1) {
            $found[] = 'a comma after the last parameter';
        }
        $tree = (new ParserFactory())->create(ParserFactory::ONLY_PHP7)->parse($code);
        foreach ((new NodeFinder())->find($tree, [self::class, 'isLater']) as $node) {
            $found[] = $node->getType() . ' in line ' . $node->getStartLine();
        }
        return $found;
    }

    public static function isLater(Node $node): bool
    {
        foreach (['type', 'returnType'] as $name) {
            $type = $node->$name ?? null;
            if ($type instanceof Node\Identifier || $type instanceof Node\Name) {
                if (in_array($type->toLowerString(), ['mixed', 'static', 'never', 'null', 'false', 'true'], true)) {
                    return true;
                }
            }
        }
        return $node instanceof Node\Expr\Match_
            || $node instanceof Node\Expr\NullsafeMethodCall || $node instanceof Node\Expr\NullsafePropertyFetch
            || $node instanceof Node\Expr\Throw_ || $node instanceof Node\VariadicPlaceholder
            || $node instanceof Node\UnionType || $node instanceof Node\IntersectionType
            || $node instanceof Node\AttributeGroup || $node instanceof Node\Stmt\Enum_
            || $node instanceof Node\Arg && $node->name !== null
            || $node instanceof Node\Param && $node->flags !== 0
            || $node instanceof Node\Stmt\Catch_ && $node->var === null
            || $node instanceof Node\Stmt\ClassConst && $node->isFinal()
            || $node instanceof Node\Stmt\Property && $node->isReadonly()
            || $node instanceof Node\Stmt\Class_ && method_exists($node, 'isReadonly') && $node->isReadonly()
            || $node instanceof Node\Expr\FuncCall && $node->name instanceof Node\Name
                && in_array($node->name->toLowerString(), self::LATER, true);
    }
}
